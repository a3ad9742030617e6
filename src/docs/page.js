
(function () {
  const MOST = 50;
  const query = document.getElementById("query");
  const count = document.getElementById("count");
  const results = document.getElementById("results");
  let entries = null;
  let chosen = -1;

  /* Read when it is first needed: what is searched is the text that the page shows. */
  function load() {
    if (entries !== null) return;
    entries = JSON.parse(document.getElementById("index").textContent);
    for (const entry of entries) {
      entry.path = entry.id.replace(/^(module:|file:|finding\.)/, "").toLowerCase();
      const place = document.getElementById(entry.id);
      /* The text of a module is that before its names, which have entries of their own. */
      const parts = entry.kind === "module"
        ? Array.from(place.children).filter((part) => !part.classList.contains("entry"))
        : [place];
      entry.text = parts.map((part) => part.textContent).join(" ").toLowerCase();
    }
  }

  function choose(position) {
    const all = results.children;
    if (chosen >= 0 && chosen < all.length) all[chosen].setAttribute("aria-selected", "false");
    chosen = all.length === 0 ? -1 : (position + all.length) % all.length;
    if (chosen < 0) {
      query.removeAttribute("aria-activedescendant");
      return;
    }
    all[chosen].setAttribute("aria-selected", "true");
    all[chosen].scrollIntoView({ block: "nearest" });
    query.setAttribute("aria-activedescendant", all[chosen].id);
  }

  function close() {
    results.hidden = true;
    query.setAttribute("aria-expanded", "false");
    query.removeAttribute("aria-activedescendant");
  }

  function show() {
    load();
    const found = search(entries, query.value);
    results.textContent = "";
    chosen = -1;
    found.slice(0, MOST).forEach((entry, position) => {
      const link = document.createElement("a");
      link.href = "#" + entry.id;
      link.id = "result-" + position;
      link.tabIndex = -1;
      link.setAttribute("role", "option");
      link.setAttribute("aria-selected", "false");
      const more = document.createElement("small");
      more.textContent = " " + entry.kind + (entry.path === entry.name ? "" : ", " + entry.path);
      link.append(entry.name, more);
      results.append(link);
    });
    const isAsked = query.value.trim() !== "";
    const isCut = found.length > MOST ? ", the first " + MOST + " shown" : "";
    count.textContent = !isAsked ? "" :
      found.length === 1 ? "1 result" : found.length + " results" + isCut;
    results.hidden = found.length === 0;
    query.setAttribute("aria-expanded", String(found.length > 0));
    if (found.length > 0) choose(0);
    else query.removeAttribute("aria-activedescendant");
  }

  query.addEventListener("input", show);
  query.addEventListener("focus", show);
  query.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (results.hidden) show();
      else choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && !results.hidden && chosen >= 0) {
      event.preventDefault();
      results.children[chosen].click();
    } else if (event.key === "Escape") {
      close();
    }
  });
  results.addEventListener("click", () => {
    close();
    query.blur();
  });
  document.addEventListener("click", (event) => {
    if (!document.getElementById("find").contains(event.target)) close();
  });
  document.getElementById("find").addEventListener("focusout", (event) => {
    if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) close();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    query.focus();
    query.select();
  });
  document.getElementById("find").hidden = false;
})();
