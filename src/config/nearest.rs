//! What somebody may have meant by a word that is none of the known ones.

use std::fmt;

/// The known word that is nearest to another, where it is near enough to have been meant.
///
/// One letter of three may be wrong, missing, too many, or in its neighbour's place.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).min(3);
    let distance = |known: &'a str| (strsim::damerau_levenshtein(&word, known), known);
    let near = known.into_iter().map(distance).filter(|(distance, _)| (1..=most).contains(distance));
    near.min().map(|(_, known)| known)
}

/// `(did you mean …?)` behind what is wrong, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meant(Option<String>);

impl Meant {
    /// The known word that is near to another.
    pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self(nearest(word, known).map(str::to_owned))
    }

    /// This word.
    pub(super) fn word(word: &str) -> Self {
        Self(Some(word.to_owned()))
    }

    /// Whether there is a word to name.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |word| write!(f, " (did you mean {word}?)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_near_and_another_word_is_not() {
        let known = ["region", "name", "poll_interval", "errors", "cn-north-4", "cn-south-4", "scope"];
        for (word, meant) in [
            ("regoin", Some("region")),
            ("Region", None),
            ("REGOIN", Some("region")),
            ("nam", Some("name")),
            ("pol_interval", Some("poll_interval")),
            ("pollinterval", Some("poll_interval")),
            ("error", Some("errors")),
            ("cn-noth-4", Some("cn-north-4")),
            ("cn-suth-4", Some("cn-south-4")),
            ("x", None),
            ("", None),
            ("ak", None),
            ("namespace", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
