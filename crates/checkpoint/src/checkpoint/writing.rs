//! What of a checkpoint may be large, written in its RFC 8785 form while it is read, in whatever order its members come: no value of it
//! is kept in another form.
//!
//! What was written is canonical, nests no deeper and has no more values than a checkpoint may have; each of that is seen to here.

use std::ops::Range;

use super::canonical::{self, Part};
use super::json::{MAX_NESTING, MAX_VALUES};
use super::tree::{JsonValue, order};
use super::{Checkpoint, InvalidCheckpoint, Outline, number};

/// The content of a checkpoint on its way into its canonical text. Names are borrowed from where it is read.
pub struct Content<'a> {
    text: Vec<u8>,
    /// Of the objects that are open, the innermost last.
    members: Vec<Member<'a>>,
    /// What an object was whose members stood in another order.
    unsorted: Vec<u8>,
    /// Objects and arrays around what is written next, counted from the top-level member on.
    depth: usize,
    /// Values that there may still be.
    left: usize,
    summaries: Option<Range<usize>>,
    additional: Option<Vec<Member<'a>>>,
}

/// A member, with its name, in the text.
#[derive(Clone)]
struct Member<'a> {
    name: &'a str,
    begins: usize,
    value: usize,
    ends: usize,
}

/// Where one value goes.
pub struct Place<'w, 'a>(&'w mut Content<'a>);

/// A value stands there.
#[must_use]
pub struct Written(());

/// An array that is being written.
pub struct Items<'w, 'a> {
    content: &'w mut Content<'a>,
    are_more: bool,
}

/// An object that is being written.
pub struct Members<'w, 'a> {
    content: &'w mut Content<'a>,
    /// Its first among all members.
    first: usize,
    in_order: bool,
}

impl<'a> Content<'a> {
    /// None yet. Its text will have about so many bytes.
    pub fn begin(about: usize) -> Self {
        Self {
            text: Vec::with_capacity(about),
            members: Vec::new(),
            unsorted: Vec::new(),
            depth: 0,
            left: MAX_VALUES,
            summaries: None,
            additional: None,
        }
    }

    /// Writes the summaries, an array of objects. None when that cannot be, here as in all that follows: then nothing is made of it.
    pub fn summaries(
        &mut self,
        write: impl FnOnce(&mut Items<'_, 'a>) -> Option<()>,
    ) -> Option<()> {
        let begins = self.text.len();
        let Written(()) = self.array(write)?;
        let once = self.summaries.replace(begins..self.text.len());
        once.is_none().then_some(())
    }

    /// Writes the additional members.
    pub fn additional(
        &mut self,
        write: impl FnOnce(&mut Members<'_, 'a>) -> Option<()>,
    ) -> Option<()> {
        let first = self.members.len();
        self.members_of(first, write)?;
        let once = self.additional.replace(self.members.split_off(first));
        once.is_none().then_some(())
    }

    /// The checkpoint with this content.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] as [`Checkpoint::new`] has it.
    pub fn finish(self, outline: Outline) -> Result<Checkpoint, InvalidCheckpoint> {
        let written = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let additional = self.additional.as_deref().unwrap_or_default();
        let members = additional.iter().map(|member| {
            let value = Part::Written(written(member.value..member.ends));
            (member.name, value)
        });
        let summaries = match self.summaries.clone() {
            Some(range) => Part::Written(written(range)),
            None => Part::Objects(&[]),
        };
        let has = |name: &str| additional.iter().any(|member| member.name == name);
        Checkpoint::of_parts(outline, summaries, members, has, self.text.len())
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_NESTING).then_some(())
    }

    fn array(&mut self, write: impl FnOnce(&mut Items<'_, 'a>) -> Option<()>) -> Option<Written> {
        self.deeper()?;
        self.text.push(b'[');
        let mut items = Items {
            content: self,
            are_more: false,
        };
        write(&mut items)?;
        self.text.push(b']');
        self.depth -= 1;
        Some(Written(()))
    }

    fn object(
        &mut self,
        write: impl FnOnce(&mut Members<'_, 'a>) -> Option<()>,
    ) -> Option<Written> {
        self.deeper()?;
        let first = self.members.len();
        self.members_of(first, write)?;
        self.members.truncate(first);
        self.depth -= 1;
        Some(Written(()))
    }

    fn members_of(
        &mut self,
        first: usize,
        write: impl FnOnce(&mut Members<'_, 'a>) -> Option<()>,
    ) -> Option<()> {
        self.text.push(b'{');
        let mut members = Members {
            content: self,
            first,
            in_order: true,
        };
        write(&mut members)?;
        if !members.in_order {
            self.put_in_order(first)?;
        }
        self.text.push(b'}');
        Some(())
    }

    /// Puts the members of the innermost object in order; none when two have one name.
    fn put_in_order(&mut self, first: usize) -> Option<()> {
        let members = self.members.get_mut(first..)?;
        let begins = members.first()?.begins;
        self.unsorted.clear();
        self.unsorted.extend_from_slice(self.text.get(begins..)?);
        self.text.truncate(begins);
        members.sort_by(|one, other| order(one.name, other.name));
        let mut previous = None;
        for member in members {
            if previous == Some(member.name) {
                return None;
            }
            if previous.replace(member.name).is_some() {
                self.text.push(b',');
            }
            let (from, moved) = (member.begins, self.text.len());
            let text = self.unsorted.get(from - begins..member.ends - begins)?;
            self.text.extend_from_slice(text);
            member.begins = moved;
            member.value = member.value - from + moved;
            member.ends = self.text.len();
        }
        Some(())
    }
}

impl<'a> Items<'_, 'a> {
    /// Writes the next item.
    pub fn item(&mut self, write: impl FnOnce(Place<'_, 'a>) -> Option<Written>) -> Option<()> {
        if std::mem::replace(&mut self.are_more, true) {
            self.content.text.push(b',');
        }
        self.content.count()?;
        let Written(()) = write(Place(self.content))?;
        Some(())
    }
}

impl<'a> Members<'_, 'a> {
    /// Writes a member.
    pub fn member(
        &mut self,
        name: &'a str,
        write: impl FnOnce(Place<'_, 'a>) -> Option<Written>,
    ) -> Option<()> {
        let content = &mut *self.content;
        if let Some(previous) = content.members.get(self.first..)?.last() {
            content.text.push(b',');
            self.in_order &= order(previous.name, name).is_lt();
        }
        let begins = content.text.len();
        canonical::string(&mut content.text, name);
        content.text.push(b':');
        let (place, value) = (content.members.len(), content.text.len());
        content.members.push(Member {
            name,
            begins,
            value,
            ends: value,
        });
        content.count()?;
        let Written(()) = write(Place(content))?;
        content.members.get_mut(place)?.ends = content.text.len();
        Some(())
    }
}

impl<'a> Place<'_, 'a> {
    /// Writes `null`.
    pub fn null(self) -> Written {
        self.0.text.extend_from_slice(b"null");
        Written(())
    }

    /// Writes a boolean.
    pub fn bool(self, found: bool) -> Written {
        let text: &[u8] = if found { b"true" } else { b"false" };
        self.0.text.extend_from_slice(text);
        Written(())
    }

    /// Writes a number, in its one form.
    pub fn number(self, found: f64) -> Option<Written> {
        match number(found).ok()? {
            JsonValue::Integer(found) => canonical::integer(&mut self.0.text, found),
            _ => canonical::fraction(&mut self.0.text, found),
        }
        Some(Written(()))
    }

    /// Writes a string.
    pub fn string(self, text: &str) -> Written {
        canonical::string(&mut self.0.text, text);
        Written(())
    }

    /// Writes an array.
    pub fn array(self, write: impl FnOnce(&mut Items<'_, 'a>) -> Option<()>) -> Option<Written> {
        self.0.array(write)
    }

    /// Writes an object. None as well when two members have one name.
    pub fn object(self, write: impl FnOnce(&mut Members<'_, 'a>) -> Option<()>) -> Option<Written> {
        self.0.object(write)
    }
}
