//! Reads the pickled batches of CIFAR-10's Python form, and nothing else.
//!
//! A pickle is a program for a stack machine (`pickletools` of Python's library documents its
//! instructions), and in general one that may run anything. This reader knows the instructions that
//! a dictionary of a NumPy byte array and lists needs, and of all callables only four, which it
//! carries out itself: NumPy's array, its constructor and its element type, and the encoding of
//! text as Latin-1, which is how Python 3 writes bytes for Python 2. Whatever else a file asks for
//! is an error.
//!
//! Containers live in tables and refer to each other by position: nothing recurses, however deep
//! a file nests, and memory is bounded by the number of instructions and the length of the file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// More than ten times what an official batch takes.
const MAX_INSTRUCTIONS: usize = 1 << 20;

/// What a pickled batch says.
#[derive(Debug, PartialEq)]
pub struct Batch<'a> {
    /// `shape`, row-major.
    pub data: Cow<'a, [u8]>,
    pub shape: [usize; 2],
    pub labels: Vec<u8>,
}

/// Why some bytes are no pickled batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickleError {
    /// How many bytes had been read.
    pub offset: usize,
    pub what: String,
}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for PickleError {}

/// Reads a dictionary with `data`, a byte array of two dimensions, and `labels`, a list of numbers.
/// Other keys, such as the files' names, are passed over.
pub fn read_batch(bytes: &[u8]) -> Result<Batch<'_>, PickleError> {
    let mut machine = Machine { bytes, ..Machine::default() };
    let batch = machine.run().and_then(|value| machine.batch(value));
    batch.map_err(|what| PickleError { offset: machine.offset, what })
}

/// A value, cheap to copy; those with parts are positions in the machine's tables.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Object<'a> {
    None,
    Bool(bool),
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    /// Bytes that were written as text.
    Encoded(usize),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Global(Global),
    /// The element type `uint8`.
    Byte,
    Array(usize),
}

/// The callables that a batch may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    Reconstruct,
    Array,
    ElementType,
    Encode,
}

/// An array, empty until its state is set.
#[derive(Clone, Copy, Debug)]
struct Array<'a> {
    data: Object<'a>,
    shape: [usize; 2],
}

/// The stack machine and its tables.
#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    offset: usize,
    stack: Vec<Object<'a>>,
    /// Heights of the stack at which the marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, Object<'a>>,
    tuples: Vec<Vec<Object<'a>>>,
    lists: Vec<Vec<Object<'a>>>,
    dicts: Vec<Vec<[Object<'a>; 2]>>,
    arrays: Vec<Array<'a>>,
    encoded: Vec<Vec<u8>>,
    /// Bytes in `encoded`.
    encoded_size: usize,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    /// The value that the program ends with.
    fn run(&mut self) -> Step<Object<'a>> {
        for _ in 0..MAX_INSTRUCTIONS {
            match self.byte()? {
                b'.' => return self.pop(),
                instruction => self.step(instruction)?,
            }
        }
        Err(format!("more than {MAX_INSTRUCTIONS} instructions"))
    }

    fn step(&mut self, instruction: u8) -> Step<()> {
        let value = match instruction {
            // PROTO
            0x80 => {
                let protocol = self.byte()?;
                return match protocol {
                    2..=4 => Ok(()),
                    _ => Err(format!("pickle protocol {protocol} in place of 2, 3 or 4")),
                };
            }
            // FRAME: its length is of use to those who read from a stream.
            0x95 => return self.take(8).map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            b'q' | b'r' | 0x94 => return self.memoize(instruction),
            b'a' | b'e' => return self.append(instruction == b'a'),
            b's' | b'u' => return self.set_items(instruction == b's'),
            b'b' => return self.build(),
            b'h' => {
                let index = self.byte()?.into();
                self.recall(index)?
            }
            b'j' => {
                let index = self.u32()?;
                self.recall(index)?
            }
            b'N' => Object::None,
            0x88 => Object::Bool(true),
            0x89 => Object::Bool(false),
            // BININT1, BININT2, BININT, LONG1
            b'K' => Object::Int(self.byte()?.into()),
            b'M' => Object::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Object::Int(i32::from_le_bytes(self.array()?).into()),
            0x8a => {
                let length = self.byte()?.into();
                Object::Int(long(self.take(length)?)?)
            }
            // Python 2's strings and Python 3's bytes, short and long.
            b'U' | b'C' => {
                let length = self.byte()?.into();
                Object::Bytes(self.take(length)?)
            }
            b'T' | b'B' => {
                let length = self.u32()?.into();
                Object::Bytes(self.take(length)?)
            }
            0x8e => {
                let length = u64::from_le_bytes(self.array()?);
                Object::Bytes(self.take(length)?)
            }
            0x8c => {
                let length = self.byte()?.into();
                self.text(length)?
            }
            b'X' => {
                let length = self.u32()?.into();
                self.text(length)?
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?
            }
            b'}' => {
                self.dicts.push(Vec::new());
                Object::Dict(self.dicts.len() - 1)
            }
            b']' => {
                self.lists.push(Vec::new());
                Object::List(self.lists.len() - 1)
            }
            b')' => self.tuple(Vec::new()),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(instruction - 0x84))?;
                self.tuple(items)
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.tuple(items)
            }
            // GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Object::Global(global(module, name)?)
            }
            // STACK_GLOBAL
            0x93 => match (self.pop()?, self.pop()?) {
                (Object::Text(name), Object::Text(module)) => Object::Global(global(module, name)?),
                _ => return Err("a callable whose name is no text".into()),
            },
            b'R' => self.reduce()?,
            other => return Err(format!("the instruction {other:#04x}, which no batch has,")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn memoize(&mut self, instruction: u8) -> Step<()> {
        let index = match instruction {
            b'q' => self.byte()?.into(),
            b'r' => self.u32()?,
            _ => self.memo.len() as u32,
        };
        let &value = self.stack.last().ok_or("an empty stack")?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn recall(&self, index: u32) -> Step<Object<'a>> {
        self.memo.get(&index).copied().ok_or_else(|| format!("the unknown memo {index}"))
    }

    /// APPEND and APPENDS: moves values from the top of the stack to the list below them.
    fn append(&mut self, one: bool) -> Step<()> {
        let mut items = if one { self.pop_many(1)? } else { self.pop_to_mark()? };
        match self.stack.last() {
            Some(&Object::List(list)) => self.lists[list].append(&mut items),
            _ => return Err("an append to what is no list".into()),
        }
        Ok(())
    }

    /// SETITEM and SETITEMS: moves keys and values from the top of the stack to the dictionary
    /// below them.
    fn set_items(&mut self, one: bool) -> Step<()> {
        let items = if one { self.pop_many(2)? } else { self.pop_to_mark()? };
        let (pairs, rest) = items.as_chunks::<2>();
        match self.stack.last() {
            Some(&Object::Dict(dict)) if rest.is_empty() => self.dicts[dict].extend(pairs),
            Some(Object::Dict(_)) => return Err("a key without a value".into()),
            _ => return Err("an entry of what is no dictionary".into()),
        }
        Ok(())
    }

    /// REDUCE: calls the callable below the top of the stack with the tuple on top.
    fn reduce(&mut self) -> Step<Object<'a>> {
        let Object::Tuple(args) = self.pop()? else {
            return Err("a call whose arguments are no tuple".into());
        };
        let Object::Global(function) = self.pop()? else {
            return Err("a call of what is no callable".into());
        };
        match (function, self.tuples[args].as_slice()) {
            (Global::Reconstruct, [Object::Global(Global::Array), _, _]) => {
                self.arrays.push(Array { data: Object::None, shape: [0; 2] });
                Ok(Object::Array(self.arrays.len() - 1))
            }
            (Global::ElementType, &[name, _, _]) => match self.as_bytes(name) {
                Some(b"u1") => Ok(Object::Byte),
                name => {
                    let name = String::from_utf8_lossy(name.unwrap_or_default());
                    Err(format!("an array of the element type `{name}` in place of `u1`"))
                }
            },
            (Global::Encode, &[Object::Text(text), Object::Text("latin1")]) => self.encode(text),
            (function, args) => {
                Err(format!("a call of {function:?} with {} arguments", args.len()))
            }
        }
    }

    /// Text as Latin-1. A text may be recalled and encoded any number of times, so that what comes
    /// of it is limited on its own: all of it is as long as the file at most.
    fn encode(&mut self, text: &str) -> Step<Object<'a>> {
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(|_| "a text that is not Latin-1")?;
        self.encoded_size += bytes.len();
        if self.encoded_size > self.bytes.len() {
            return Err("more encoded text than the file is long".into());
        }
        self.encoded.push(bytes);
        Ok(Object::Encoded(self.encoded.len() - 1))
    }

    /// BUILD: sets the state of the object below the top of the stack to what is on top.
    fn build(&mut self) -> Step<()> {
        let state = self.pop()?;
        let Object::Tuple(state) = state else { return Err("a state that is no tuple".into()) };
        match (self.stack.last(), self.tuples[state].as_slice()) {
            // Byte order and alignment, which bytes have no choice of.
            (Some(Object::Byte), _) => Ok(()),
            (
                Some(&Object::Array(array)),
                &[_, Object::Tuple(shape), Object::Byte, order, data],
            ) => {
                let &[Object::Int(rows), Object::Int(columns)] = self.tuples[shape].as_slice()
                else {
                    return Err("an array that has not two dimensions".into());
                };
                if !matches!(order, Object::Bool(false) | Object::Int(0)) {
                    return Err("an array that is stored by columns".into());
                }
                let size = |value| usize::try_from(value).map_err(|_| "an array of negative size");
                let shape = [size(rows)?, size(columns)?];
                let found = self.as_bytes(data).ok_or("an array without bytes")?.len();
                if shape[0].checked_mul(shape[1]) != Some(found) {
                    return Err(format!("{found} bytes for an array of {rows} x {columns}"));
                }
                self.arrays[array] = Array { data, shape };
                Ok(())
            }
            _ => Err("a state of neither an array of bytes nor its element type".into()),
        }
    }

    fn batch(&mut self, value: Object<'a>) -> Step<Batch<'a>> {
        let Object::Dict(dict) = value else { return Err("no dictionary".into()) };
        let entry = |name: &str| {
            let mut entries = self.dicts[dict].iter();
            let entry = entries.find(|[key, _]| self.as_bytes(*key) == Some(name.as_bytes()));
            entry.map(|[_, value]| *value).ok_or_else(|| format!("no entry `{name}`"))
        };
        let Object::Array(array) = entry("data")? else {
            return Err("an entry `data` that is no array".into());
        };
        let Object::List(list) = entry("labels")? else {
            return Err("an entry `labels` that is no list".into());
        };
        let label = |value: &Object<'_>| match value {
            Object::Int(label) => u8::try_from(*label).ok(),
            _ => None,
        };
        let labels = self.lists[list].iter().map(label).collect::<Option<_>>();
        let labels = labels.ok_or("a label that is no number from 0 to 255")?;
        let Array { data, shape } = self.arrays[array];
        let data = match data {
            Object::Bytes(bytes) => Cow::Borrowed(bytes),
            Object::Encoded(index) => Cow::Owned(std::mem::take(&mut self.encoded[index])),
            _ => return Err("an array without state".into()),
        };
        Ok(Batch { data, shape, labels })
    }

    /// The bytes of a byte string or a text.
    fn as_bytes(&self, value: Object<'a>) -> Option<&[u8]> {
        match value {
            Object::Bytes(bytes) => Some(bytes),
            Object::Text(text) => Some(text.as_bytes()),
            Object::Encoded(index) => Some(&self.encoded[index]),
            _ => None,
        }
    }

    fn tuple(&mut self, items: Vec<Object<'a>>) -> Object<'a> {
        self.tuples.push(items);
        Object::Tuple(self.tuples.len() - 1)
    }

    fn pop(&mut self) -> Step<Object<'a>> {
        match self.stack.pop() {
            // What lies below a mark is not reached past it.
            Some(value) if self.marks.last().is_none_or(|&mark| mark <= self.stack.len()) => {
                Ok(value)
            }
            _ => Err("too few values on the stack".into()),
        }
    }

    /// The topmost values, the lowest first.
    fn pop_many(&mut self, count: usize) -> Step<Vec<Object<'a>>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => Err("too few values on the stack".into()),
        }
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Object<'a>>> {
        let mark = self.marks.pop().ok_or("no mark on the stack")?;
        // `pop` and `pop_many` leave every mark within the stack.
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: u64) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.offset..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or("the end of the file")?;
        self.offset += taken.len();
        Ok(taken)
    }

    fn byte(&mut self) -> Step<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Step<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let taken = self.take(N as u64)?;
        taken.try_into().map_err(|_| "the end of the file".into())
    }

    fn text(&mut self, length: u64) -> Step<Object<'a>> {
        let text = str::from_utf8(self.take(length)?);
        text.map(Object::Text).map_err(|_| "a text that is not UTF-8".into())
    }

    /// Up to the end of the line, which is passed.
    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.offset..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("the end of the file")?;
        self.offset += length + 1;
        str::from_utf8(&rest[..length]).map_err(|_| "a name that is not UTF-8".into())
    }
}

fn global(module: &str, name: &str) -> Step<Global> {
    match (module, name) {
        // NumPy 2 has moved it.
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            Ok(Global::Reconstruct)
        }
        ("numpy", "ndarray") => Ok(Global::Array),
        ("numpy", "dtype") => Ok(Global::ElementType),
        ("_codecs", "encode") => Ok(Global::Encode),
        _ => Err(format!("the callable `{module}.{name}`, which no batch has,")),
    }
}

/// An integer in two's complement, low bytes first.
fn long(bytes: &[u8]) -> Step<i64> {
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut value = [if negative { 0xff } else { 0 }; 8];
    let low = value.get_mut(..bytes.len()).ok_or("an integer of more than 64 bits")?;
    low.copy_from_slice(bytes);
    Ok(i64::from_le_bytes(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by Python 2.7.18 with NumPy 1.16.6 and Python 3.11.7 with NumPy 2.4.6:
    //   a = numpy.arange(12, dtype=numpy.uint8).reshape(2, 6) + numpy.uint8(200)
    //   b = {b'data': a, b'labels': [3, 1], b'batch_label': b'testing',
    //        b'filenames': [b'a.png', b'b.png']}
    //   open(path, 'wb').write(pickle.dumps(b, protocol))        (cPickle in Python 2)
    const PYTHON2: &[u8] =
        include_bytes!("../../tests/fixtures/data/batch.python2.protocol2.pickle");
    const PYTHON3: [&[u8]; 3] = [
        include_bytes!("../../tests/fixtures/data/batch.python3.protocol2.pickle"),
        include_bytes!("../../tests/fixtures/data/batch.python3.protocol3.pickle"),
        include_bytes!("../../tests/fixtures/data/batch.python3.protocol4.pickle"),
    ];

    fn what(bytes: &[u8]) -> String {
        read_batch(bytes).expect_err("no batch").what
    }

    #[test]
    fn reads_what_python_writes() {
        let data: Vec<u8> = (200..212).collect();
        for bytes in [PYTHON2].into_iter().chain(PYTHON3) {
            let batch = read_batch(bytes).expect("a batch");
            assert_eq!(
                batch,
                Batch { data: data.clone().into(), shape: [2, 6], labels: vec![3, 1] }
            );
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_an_error() {
        for bytes in [PYTHON2].into_iter().chain(PYTHON3) {
            for length in 0..bytes.len() {
                let error = read_batch(&bytes[..length]).expect_err("cut short");
                assert!(error.offset <= length, "{error}");
            }
        }
    }

    /// Whatever a byte becomes, the answer is a batch or an error, and no panic.
    #[test]
    fn altered_files_do_not_panic() {
        for bytes in [PYTHON2].into_iter().chain(PYTHON3) {
            for position in 0..bytes.len() {
                for value in 0..=255 {
                    let mut altered = bytes.to_vec();
                    altered[position] = value;
                    let _ = read_batch(&altered);
                }
            }
        }
    }

    #[test]
    fn nothing_but_a_batch_is_carried_out() {
        let system = b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.";
        assert!(what(system).contains("`posix.system`"), "{}", what(system));
        let evaluated = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.";
        assert!(what(evaluated).contains("`builtins.eval`"));
        // INST, OBJ, EXT1, PERSID: instructions that name or call by other ways.
        for instruction in [b'i', b'o', 0x82, b'P'] {
            assert!(what(&[0x80, 2, instruction, 0]).contains("the instruction"));
        }
    }

    #[test]
    fn odd_programs_are_answered() {
        assert_eq!(what(b""), "the end of the file");
        assert_eq!(what(b"\x80\x02."), "too few values on the stack");
        assert_eq!(what(b"\x80\x02]."), "no dictionary");
        assert_eq!(what(b"\x80\x02}."), "no entry `data`");
        assert_eq!(what(b"\x80\x02}(K\x01u."), "a key without a value");
        assert_eq!(what(b"\x80\x02N(\x85."), "too few values on the stack");
        assert_eq!(what(b"\x80\x02Nu."), "no mark on the stack");
        assert_eq!(what(b"\x80\x02h\x05."), "the unknown memo 5");
        assert!(what(b"\x80\x05N.").contains("protocol 5"));
        // A length beyond the file, and beyond any memory.
        assert_eq!(what(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff"), "the end of the file");
        let floats = PYTHON2.to_vec();
        let place = floats.windows(2).position(|pair| pair == b"u1").expect("the element type");
        let mut floats = floats;
        floats[place..place + 2].copy_from_slice(b"f8");
        assert!(what(&floats).contains("`f8`"));
    }

    #[test]
    fn memory_and_depth_are_bounded() {
        let mut deep = b"\x80\x02N".to_vec();
        deep.resize(MAX_INSTRUCTIONS / 2, 0x85);
        deep.push(b'.');
        assert_eq!(what(&deep), "no dictionary");
        let endless = vec![b'N'; MAX_INSTRUCTIONS + 1];
        assert!(what(&endless).contains("instructions"));
        // A text that is encoded again and again.
        let mut encode = b"\x80\x02c_codecs\nencode\nq\x00X\x40\x00\x00\x00".to_vec();
        encode.extend([b'a'; 64]);
        encode.extend(b"q\x01X\x06\x00\x00\x00latin1q\x02");
        for _ in 0..100 {
            encode.extend(b"h\x00h\x01h\x02\x86R");
        }
        assert_eq!(what(&encode), "more encoded text than the file is long");
    }

    #[test]
    fn integers_of_any_length() {
        assert_eq!(long(&[]), Ok(0));
        assert_eq!(long(&[0x10, 0x27]), Ok(10_000));
        assert_eq!(long(&[0xff]), Ok(-1));
        assert_eq!(long(&[0xff, 0]), Ok(255));
        assert!(long(&[1; 9]).is_err());
    }
}
