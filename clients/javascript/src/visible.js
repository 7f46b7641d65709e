// Text of others, for a terminal or a page.

// Controls, ends of lines and what Unicode calls format characters (directions, joiners): written out, as the core's visible.rs does.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
export const visible = (text) => String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
