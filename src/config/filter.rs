//! Which names become series: simple patterns, and caps.

use std::num::NonZeroUsize;

/// A pattern for whole names: `*` is any text, `?` one character, everything else itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Box<str>);

/// Which names pass: those that an `include` pattern matches (all, where there is none), without
/// those that an `exclude` pattern matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// Patterns of names that pass; empty lets every name pass.
    pub include: Vec<Glob>,
    /// Patterns of names that do not pass, whatever `include` says.
    pub exclude: Vec<Glob>,
}

/// Which families of metrics an account's fleet has on the page, and how long they may get.
///
/// Patterns match the whole name as it stands on the page, such as `huaweicloud_sms_task_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyFilter {
    /// The families' names.
    pub names: NameFilter,
    /// The most series that a family may have for this account; the rest is dropped and counted.
    pub max_series: Option<NonZeroUsize>,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Not a text that could match a name.
    #[error(
        "expected 1 to {} characters without control characters, * for any text, ? for one character",
        Glob::MAX_CHARS
    )]
    Text,
    /// A sign that means something in regular expressions or in a shell, and nothing here.
    #[error(
        "expected a pattern for whole names, in which * is any text, ? is one character, and {0} means nothing \
         (it does in regular expressions and shells); where a name has a {0}, write ? for it"
    )]
    Sign(char),
}

impl Glob {
    /// The longest pattern; the service's names end at 255 characters.
    const MAX_CHARS: usize = 255;

    /// Signs of regular expressions and of shells' patterns.
    const FOREIGN: [char; 10] = ['[', ']', '{', '}', '(', ')', '|', '^', '$', '\\'];

    /// Takes a pattern.
    ///
    /// # Errors
    ///
    /// An empty or overlong text, or one with control characters; signs that only other patterns know, which would
    /// match no name and silence every alert.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let length = pattern.chars().count();
        if length == 0 || length > Self::MAX_CHARS || pattern.chars().any(char::is_control) {
            return Err(GlobError::Text);
        }
        match pattern.chars().find(|letter| Self::FOREIGN.contains(letter)) {
            Some(sign) => Err(GlobError::Sign(sign)),
            None => Ok(Self(pattern.into())),
        }
    }

    /// Whether it looks like a regular expression although it is a pattern: `.*` asks for a dot here.
    #[must_use]
    pub fn looks_foreign(&self) -> bool {
        self.0.contains(".*") || self.0.contains(".+")
    }

    /// Whether it matches every name.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.chars().all(|letter| letter == '*')
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole name; upper and lower case differ.
    ///
    /// Takes time in proportion to both lengths: only the last `*` is ever tried again.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        let mut retry = None;
        loop {
            let unread = rest.clone();
            match (pattern.next(), rest.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    retry = Some((pattern.clone(), unread.clone()));
                    rest = unread;
                }
                (Some('?'), Some(_)) => {}
                (Some(wanted), Some(found)) if wanted == found => {}
                _ => {
                    let Some((after_star, tried)) = &mut retry else { return false };
                    if tried.next().is_none() {
                        return false;
                    }
                    pattern = after_star.clone();
                    rest = tried.clone();
                }
            }
        }
    }
}

impl NameFilter {
    /// Whether a name passes.
    #[must_use]
    pub fn passes(&self, name: &str) -> bool {
        let any = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, name) in [
            ("web-*", "web-"),
            ("*", ""),
            ("*-db-?", "prod-db-1"),
            ("*a*b", "xaybzb"),
            ("?", "é"),
            ("a", "a"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("web-*", "xweb-1"), ("?", ""), ("a", "A"), ("a", "ab"), ("*a", "ab"), (".*", "ab"), ("a?", "a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn exclude_wins_over_include_and_no_include_is_every_name() {
        let globs = |patterns: &[&str]| patterns.iter().map(|p| Glob::new(p).unwrap()).collect();
        let filter = NameFilter { include: globs(&["web-*"]), exclude: globs(&["*-test"]) };
        assert!(filter.passes("web-1"));
        assert!(!filter.passes("web-test"));
        assert!(!filter.passes("db-1"));
        assert!(NameFilter::default().passes("db-1"));
    }

    #[test]
    fn a_pattern_that_tries_often_ends_in_time() {
        let name = "a".repeat(255);
        assert!(!matches(&format!("{}b", "*a".repeat(100)), &name));
    }

    #[test]
    fn control_characters_and_empty_texts_are_no_patterns() {
        assert_eq!(Glob::new(""), Err(GlobError::Text));
        assert_eq!(Glob::new("a\n"), Err(GlobError::Text));
        assert_eq!(Glob::new(&"a".repeat(256)), Err(GlobError::Text));
    }

    #[test]
    fn what_only_other_patterns_know_is_refused_with_its_sign() {
        for (pattern, sign) in [
            ("web-[0-9]*", '['),
            ("^web.*", '^'),
            ("[", '['),
            ("web.*$", '$'),
            ("(web|db)-*", '('),
            ("{web,db}-*", '{'),
            ("web|db", '|'),
            ("web\\d", '\\'),
        ] {
            assert_eq!(Glob::new(pattern), Err(GlobError::Sign(sign)), "{pattern}");
        }
        let foreign = |pattern| Glob::new(pattern).unwrap().looks_foreign();
        assert!(foreign("web.*") && foreign("web-.+") && !foreign("web.example.com") && !foreign("*.web-?"));
    }

    /// The obvious recursion, exponential, to hold the loop to.
    fn obvious(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|skip| obvious(rest, &name[skip..])),
            (['?', rest @ ..], [_, tail @ ..]) => obvious(rest, tail),
            ([c, rest @ ..], [d, tail @ ..]) => c == d && obvious(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_loop_agrees_with_the_obvious_recursion(pattern in "[ab*?]{1,7}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), obvious(&chars(&pattern), &chars(&name)));
        }
    }
}
