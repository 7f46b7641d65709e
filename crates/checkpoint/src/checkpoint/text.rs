//! A canonical text, read where it stands by whoever writes its content in another form. It is known to be canonical, so that nothing of
//! it is looked at twice; of a text that is not, something is read all the same.

use std::borrow::Cow;

/// What is not read yet of a value, or of an array or object that it is in.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    rest: &'a str,
    in_order_of_bytes: bool,
}

/// A value that was read; of an array and an object, its beginning.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Unicode text.
    String(Cow<'a, str>),
    /// Its items follow: [`Text::has_more`] tells of each whether it does.
    Array,
    /// Its members follow, in the same way: a name and a value each.
    Object,
}

impl<'a> Text<'a> {
    /// All of a text.
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            rest: text,
            in_order_of_bytes: text.bytes().all(|byte| byte < 0xee),
        }
    }

    /// What is left of it.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The same text from somewhere else on.
    pub(super) fn at(self, rest: &'a str) -> Self {
        Self { rest, ..self }
    }

    /// Whether all members stand in the order of their names' bytes as well: without characters from U+E000 on, that is the one of
    /// their UTF-16 units.
    pub fn is_in_order_of_bytes(&self) -> bool {
        self.in_order_of_bytes
    }

    /// Reads the next value, or its beginning.
    pub fn value(&mut self) -> Value<'a> {
        match self.rest.as_bytes().first() {
            Some(b'"') => Value::String(self.string()),
            Some(b'[') => self.after(1, Value::Array),
            Some(b'{') => self.after(1, Value::Object),
            Some(b't') => self.after(4, Value::Bool(true)),
            Some(b'f') => self.after(5, Value::Bool(false)),
            Some(b'n') => self.after(4, Value::Null),
            _ => Value::Number(self.number()),
        }
    }

    /// In an array or object: whether an item or member comes next. Otherwise it has ended, and what is around it goes on.
    pub fn has_more(&mut self) -> bool {
        match self.rest.as_bytes().first() {
            Some(b',') => self.after(1, true),
            Some(b']' | b'}') => self.after(1, false),
            first => first.is_some(),
        }
    }

    /// Reads a member's name; its value is next.
    pub fn name(&mut self) -> Cow<'a, str> {
        let name = self.string();
        self.after(1, name)
    }

    /// Goes on behind the next value, with all that is in it.
    pub fn skip(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.rest.as_bytes().first() {
                None => return,
                Some(b'"') => drop(self.quoted()),
                Some(b'[' | b'{') => {
                    open += 1;
                    self.after(1, ());
                    continue;
                }
                Some(b']' | b'}') => {
                    open = open.saturating_sub(1);
                    self.after(1, ());
                }
                Some(b',' | b':') => {
                    self.after(1, ());
                    continue;
                }
                Some(_) => drop(self.plain()),
            }
            if open == 0 {
                return;
            }
        }
    }

    fn after<T>(&mut self, bytes: usize, found: T) -> T {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        found
    }

    fn number(&mut self) -> f64 {
        let text = self.plain();
        match text.parse::<i64>() {
            // Never beyond 2^53-1, so that a double holds it exactly.
            Ok(found) => found as f64,
            Err(_) => text.parse().unwrap_or_default(),
        }
    }

    /// Up to the next punctuation.
    fn plain(&mut self) -> &'a str {
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b'"');
        let end = self.rest.bytes().position(|byte| ends(&byte));
        // It goes on in any case.
        let (found, rest) = self
            .rest
            .split_at_checked(end.unwrap_or(self.rest.len()).max(1))
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        found
    }

    fn string(&mut self) -> Cow<'a, str> {
        match self.quoted() {
            (text, false) => {
                let inside = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                Cow::Borrowed(inside.unwrap_or_default())
            }
            (text, true) => Cow::Owned(serde_json::from_str(text).unwrap_or_default()),
        }
    }

    /// A string with its quotes, and whether something in it is escaped.
    fn quoted(&mut self) -> (&'a str, bool) {
        let bytes = self.rest.as_bytes();
        let (mut at, mut escaped) = (1, false);
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            at += found;
            if bytes.get(at) == Some(&b'"') {
                break;
            }
            escaped = true;
            at += 2;
        }
        let (text, rest) = self
            .rest
            .split_at_checked(at + 1)
            .unwrap_or((self.rest, ""));
        self.rest = rest;
        (text, escaped)
    }
}
