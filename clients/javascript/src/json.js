// JSON read strictly, and written as RFC 8785 has it: what two readers could understand differently is refused, as
// the core's checkpoint/json.rs does. Objects are Maps, so that no name is special.

export const MAX_JSON_BYTES = 1024 * 1024;
const MAX_NESTING = 16;
// Those of a checkpoint's content, and nine: the object, its seven members, the signature.
const MAX_VALUES = 65536;
const FIXED_VALUES = 9;
// A keyring's, the set among them: members of it that are not known may have any value.
const MAX_RING_DEPTH = 100;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

export class Refusal extends Error {
  get name() {
    return this.constructor.name;
  }
}

// What a text of more than one byte for each character begins with, byte by byte: a mark, or a bracket of JSON and zeroes.
const WIDE = [
  ["UTF-32", /^(?:\xff\xfe\0\0|\0\0\xfe\xff|[{[]\0\0\0|\0\0\0[{[])/],
  ["UTF-16", /^(?:\xff\xfe|\xfe\xff|[{[]\0|\0[{[])/],
];

function refuseWide(begin) {
  const [coding] = WIDE.find(([, form]) => form.test(begin)) ?? [];
  if (coding) throw new Refusal(`json: is ${coding}, as some editors and shells write text; expected UTF-8 (\`iconv -f ${coding} -t UTF-8\` makes it that)`);
}

class Reader {
  // A ring has more values than a checkpoint, some of them beyond what a checkpoint may have.
  constructor(text, { ring = false } = {}) {
    this.text = text;
    this.at = 0;
    this.ring = ring;
    this.left = MAX_VALUES + FIXED_VALUES;
  }

  refuse(problem, path) {
    throw new Refusal(`${path || "json"}: ${problem}`);
  }

  notJson(path) {
    this.refuse(`is not JSON at character ${this.at + 1}`, path && "json");
  }

  space() {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  take(character) {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  document() {
    // Without a mark, it is UTF-8 as well.
    if (this.text.charCodeAt(0) < 0x80) refuseWide(this.text.slice(0, 4));
    if (this.text.startsWith("\ufeff")) this.refuse("begins with a byte order mark (BOM); expected UTF-8 without one");
    const value = this.value("", 0);
    this.space();
    if (this.at !== this.text.length) {
      const where = `goes on behind its end, at character ${this.at + 1}`;
      this.refuse(this.ring ? where : `${where}; expected one object (several stand one on a line, or in an array)`);
    }
    return value;
  }

  value(path, depth) {
    this.left -= 1;
    if (!this.ring && this.left < 0) this.refuse(`has more than ${MAX_VALUES} values`);
    this.space();
    const first = this.text[this.at];
    if (first === "{" || first === "[") {
      if (!this.ring && depth > MAX_NESTING) {
        this.refuse(`nests deeper than ${MAX_NESTING}`, path.split(/[.[]/)[0]);
      }
      if (this.ring && depth >= MAX_RING_DEPTH) this.refuse("nests too deep", path);
      this.at += 1;
      return first === "{" ? this.object(path, depth) : this.array(path, depth);
    }
    return this.scalar(path);
  }

  scalar(path) {
    if (this.text[this.at] === '"') return this.string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number(path);
  }

  object(path, depth) {
    const members = new Map();
    if (this.take("}")) return members;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.notJson();
      const name = this.string();
      const inner = path ? `${path}.${name}` : name;
      if (members.has(name)) this.refuse("stands there twice", inner);
      if (!this.take(":")) this.notJson();
      members.set(name, this.value(inner, depth + 1));
    } while (this.take(","));
    if (!this.take("}")) this.notJson();
    return members;
  }

  array(path, depth) {
    const items = [];
    if (this.take("]")) return items;
    do {
      items.push(this.value(`${path}[${items.length}]`, depth + 1));
    } while (this.take(","));
    if (!this.take("]")) this.notJson();
    return items;
  }

  string() {
    this.at += 1;
    let text = "";
    for (;;) {
      const start = this.at;
      while (this.at < this.text.length && !'"\\'.includes(this.text[this.at]) && this.text[this.at] >= " ") this.at += 1;
      text += this.text.slice(start, this.at);
      const found = this.text[this.at];
      if (found === undefined || found < " ") this.notJson();
      this.at += 1;
      if (found === '"') break;
      text += this.escape();
    }
    // A surrogate without its other half is no character (RFC 8785, section 3.2.2.2).
    if (!text.isWellFormed()) this.notJson();
    return text;
  }

  escape() {
    const letter = this.text[this.at];
    this.at += 1;
    if (letter in ESCAPES) return ESCAPES[letter];
    const digits = this.text.slice(this.at, this.at + 4);
    if (letter !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits)) this.notJson();
    this.at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  number(path) {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text);
    if (!found) this.notJson();
    this.at = NUMBER.lastIndex;
    const number = Number(found[0]);
    if (this.ring && !Number.isFinite(number)) this.refuse(`is ${found[0].slice(0, 40)}; expected a number that a double holds`, path);
    // Beyond this, neighbouring integers share a double, so that a reader cannot tell which was meant.
    if (!this.ring && Math.abs(number) > Number.MAX_SAFE_INTEGER) {
      this.refuse(`is ${found[0].slice(0, 40)}; expected a magnitude up to 9007199254740991 (2^53-1)`, path);
    }
    return number === 0 ? 0 : number;
  }
}

const CLOSING = { "{": "}", "[": "]" };

// Checks the grammar alone: no value is made, and however deep a text nests, this does not.
class Outliner extends Reader {
  constructor(text) {
    super(text, { ring: true });
  }

  // Half of a surrogate pair and a number beyond all doubles are for whoever reads the value to judge.
  string() {
    const start = this.at;
    this.at += 1;
    for (;;) {
      const found = this.text[this.at];
      if (found === undefined || found < " ") this.notJson();
      this.at += 1;
      if (found === '"') return this.text.slice(start, this.at);
      if (found === "\\") this.escape();
    }
  }

  number() {
    NUMBER.lastIndex = this.at;
    if (!NUMBER.test(this.text)) this.notJson();
    this.at = NUMBER.lastIndex;
  }

  name() {
    this.space();
    if (this.text[this.at] !== '"') this.notJson();
    const name = this.string();
    if (!this.take(":")) this.notJson();
    return name;
  }

  // Goes behind the value that comes next, and gives its text.
  skip() {
    this.space();
    const start = this.at;
    const open = [];
    do {
      this.space();
      const first = this.text[this.at];
      if (!(first in CLOSING)) this.scalar();
      else {
        this.at += 1;
        if (!this.take(CLOSING[first])) {
          open.push(first);
          if (first === "{") this.name();
          continue;
        }
      }
      this.close(open);
    } while (open.length > 0);
    return this.text.slice(start, this.at);
  }

  // Behind a value: closes what ends here, up to where another value has to follow.
  close(open) {
    while (open.length > 0) {
      const outer = open.at(-1);
      if (this.take(",")) {
        if (outer === "{") this.name();
        return;
      }
      if (!this.take(CLOSING[outer])) this.notJson();
      open.pop();
    }
  }

  // Each part of an array or an object, by `part`.
  parts(first, part) {
    const found = [];
    this.at += 1;
    if (this.take(CLOSING[first])) return found;
    do found.push(part());
    while (this.take(","));
    if (!this.take(CLOSING[first])) this.notJson();
    return found;
  }

  outline() {
    this.space();
    const first = this.text[this.at];
    const outline = {};
    if (first === "[") outline.items = this.parts(first, () => this.skip());
    else if (first === "{") outline.members = this.parts(first, () => [JSON.parse(this.name()), this.skip()]);
    else this.skip();
    this.space();
    if (this.at !== this.text.length) this.notJson();
    return outline;
  }
}

// Text of bytes; a byte order mark stays in it, and is refused.
export function textOf(given) {
  const bytes = new Uint8Array(given);
  refuseWide(String.fromCharCode(...bytes.subarray(0, 4)));
  const text = decoded(bytes);
  if (text === null) throw new Refusal("json: is not UTF-8");
  return text;
}

// The text of bytes that are UTF-8; none of others.
export function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

export function bytesOf(text) {
  return new TextEncoder().encode(text);
}

// One value, read strictly.
export function parseStrict(text) {
  return new Reader(text).document();
}

// One value of a keyring: no member twice, and of what is not known nothing else is judged.
export function parseRing(text) {
  return new Reader(text, { ring: true }).document();
}

// One object within the bound of a published checkpoint.
export function parseObject(text) {
  const { length } = bytesOf(text);
  if (length > MAX_JSON_BYTES) {
    throw new Refusal(`json: has ${length} bytes; expected at most ${MAX_JSON_BYTES}`);
  }
  const value = parseStrict(text);
  if (!(value instanceof Map)) throw new Refusal("json: is not an object");
  return value;
}

// What a text is made of: the texts of the `items` of an array, or the `members` of an object, each a name and a text, as often as they stand there;
// neither of another value. None when it is no JSON.
export function outline(text) {
  try {
    return new Outliner(text).outline();
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
}

// RFC 8785: names in the order of their UTF-16 units, numbers and strings as ECMAScript writes them.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  const names = [...value.keys()].sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value.get(name))}`).join(",")}}`;
}
