// The page's words, in the reader's language. Each stands once, in words.json, by its name in every language: a text, or one
// for one and one for more. In a text, {name} is filled in, `code` is code, and [text](address) is a link.

import TABLE from "./words.json" with { type: "json" };
import { visible } from "../../../clients/javascript/src/visible.js";

export const LANGUAGES = Object.keys(TABLE.language_name);
const MARKS = /(\{[a-z]+\}|`[^`]*`|\[[^\]]*\]\([^)]*\))/;

// The first language of the browser's that the page has.
const preferred = () => navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];

let language = preferred();

export const languageNow = () => language;
export const nameOfLanguage = (tag) => TABLE.language_name[tag];
export const localeNow = () => TABLE.language_code[language];

export function speak(tag) {
  language = tag;
}

// An element with properties and content; text is always text.
export function element(name, properties = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...content.flat().filter((part) => part !== null && part !== undefined));
  return made;
}

export const code = (text) => element("code", {}, visible(text));

// What the verifier says of what it refuses, which is in English, for those who mend it.
export const technical = (text) => element("span", { lang: "en" }, visible(text));

export const count = (number) => number.toLocaleString(localeNow());

function filled(value) {
  if (typeof value === "number") return [count(value)];
  if (typeof value === "string") return [visible(value)];
  return [value].flat();
}

function marked(part, values) {
  if (part.startsWith("{")) return filled(values[part.slice(1, -1)]);
  if (part.startsWith("`")) return [element("code", {}, part.slice(1, -1))];
  const [, text, href] = /^\[([^\]]*)\]\(([^)]*)\)$/.exec(part);
  return [element("a", { href }, text)];
}

// What a word's text is made of, to be put into an element; `count` among the values chooses between one and more.
export function told(name, values = {}) {
  const found = TABLE[name][language];
  const text = typeof found === "string" ? found : found[values.count === 1 ? "one" : "other"];
  return text.split(MARKS).filter((part) => part !== "").flatMap((part) => (MARKS.test(part) ? marked(part, values) : [part]));
}

// The same as a text alone.
export const phrase = (name, values) => told(name, values).map((part) => part.textContent ?? part).join("");

// Seconds since 1970, as a day where it is midnight.
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const day = new Intl.DateTimeFormat(localeNow(), { dateStyle: "long", timeZone: "UTC" }).format(date);
  if (seconds % 86_400 === 0) return day;
  return phrase("at_time", { day, time: new Intl.DateTimeFormat(localeNow(), { timeStyle: "medium", timeZone: "UTC" }).format(date) });
}

export const windowOf = (key) => phrase("from_to", { from: moment(key.nbf), until: moment(key.exp) });

// Puts the words where the document names them.
export function translate() {
  document.documentElement.lang = language;
  document.title = phrase("title");
  document.querySelector("meta[name=description]").content = phrase("description");
  for (const place of document.querySelectorAll("[data-word]")) place.replaceChildren(...told(place.dataset.word));
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", phrase(place.dataset.label));
}
