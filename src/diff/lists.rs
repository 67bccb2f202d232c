//! Two ordered lists side by side.

use std::cmp::Ordering;
use std::sync::Arc;

/// An object's fate between two lists.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pair<'a, T> {
    /// Only in the new list.
    Came(&'a T),
    /// Only in the old list.
    Went(&'a T),
    /// In both.
    Stayed(&'a T, &'a T),
}

/// Walks two lists that are ordered by `key`, each key once.
pub(super) fn pairs<'a, T>(
    old: &'a [Arc<T>],
    new: &'a [Arc<T>],
    key: impl Fn(&T) -> &str,
) -> Vec<Pair<'a, T>> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(before), Some(now)) => key(before).cmp(key(now)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return pairs,
        };
        match order {
            Ordering::Less => pairs.extend(old.next().map(|before| Pair::Went(&**before))),
            Ordering::Greater => pairs.extend(new.next().map(|now| Pair::Came(&**now))),
            Ordering::Equal => {
                let stayed = old.next().zip(new.next());
                pairs.extend(stayed.map(|(before, now)| Pair::Stayed(&**before, &**now)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_stayed_is_told_in_order() {
        let list = |words: &[&str]| words.iter().map(|word| Arc::new((*word).to_owned())).collect::<Vec<_>>();
        let (old, new) = (list(&["a", "b", "d"]), list(&["b", "c", "d", "e"]));
        let told: Vec<String> =
            pairs(&old, &new, |word| word).iter().map(|pair| format!("{pair:?}")).collect();
        assert_eq!(
            told,
            [r#"Went("a")"#, r#"Stayed("b", "b")"#, r#"Came("c")"#, r#"Stayed("d", "d")"#, r#"Came("e")"#]
        );
    }
}
