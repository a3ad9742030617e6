"use strict";

/* How well an entry answers a word, the lower the better; Infinity where it does not. */
function rankOfWord(entry, word) {
  const name = entry.name.toLowerCase();
  if (name === word || entry.path === word) return 0;
  if (name.startsWith(word)) return 1;
  if (name.includes(word) || entry.path.includes(word)) return 2;
  return entry.text.includes(word) ? 3 : Infinity;
}

/* The entries that have every word of a query, the best first, else in the order of the page. */
function search(entries, query) {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const found = [];
  entries.forEach((entry, position) => {
    const rank = Math.max(...words.map((word) => rankOfWord(entry, word)));
    if (rank < Infinity) found.push({ entry, rank, position });
  });
  found.sort((one, other) => one.rank - other.rank || one.position - other.position);
  return found.map((own) => own.entry);
}
