//! The table is the process's: the tests share it, each with labels of its own.

use super::*;

fn labels(number: u32) -> Vec<(String, String)> {
    resolve(number).map_or_else(Vec::new, |set| {
        let owned = set.pairs().map(|(key, value)| (key.into(), value.into()));
        owned.collect()
    })
}

fn one(key: &str, value: &str) -> u32 {
    intern(0, &[(key, value)]).unwrap()
}

#[test]
fn equal_sets_have_one_number_and_inner_labels_come_on_top() {
    let outer = intern(0, &[("b", "1"), ("a", "2")]).unwrap();
    assert_eq!(intern(0, &[("a", "2"), ("b", "1")]), Ok(outer));
    assert!(outer > 0 && i32::try_from(outer).is_ok());
    let inner = intern(outer, &[("a", "3"), ("c", "4")]).unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        labels(inner),
        [pair("a", "3"), pair("b", "1"), pair("c", "4")]
    );
    assert_eq!(labels(outer), [pair("a", "2"), pair("b", "1")]);
    assert_eq!(intern(outer, &[]), Ok(outer));
    assert_eq!(intern(one("a", "2"), &[("a", "")]), Ok(0), "taken off");
    assert_eq!(intern(0, &[]), Ok(0));
    assert!(resolve(0).is_none());
}

#[test]
fn too_many_labels_are_refused_with_those_around_them() {
    let names: Vec<String> = (0..=MOST_LABELS).map(|n| format!("key {n}")).collect();
    let first = names[..MOST_LABELS].iter().map(|key| (&**key, "x"));
    let first: Vec<_> = first.collect();
    let outer = intern(0, &first).unwrap();
    assert_eq!(
        intern(outer, &[(&*names[MOST_LABELS], "x")]),
        Err(TooManyLabels)
    );
    assert!(intern(outer, &[("key 0", "y")]).is_ok());
}

#[test]
fn what_is_used_stays_and_what_is_not_is_forgotten() {
    let (kept, left) = (one("kept", "yes"), one("left", "yes"));
    let many = 20 * CAPACITY;
    let mut last = 0;
    for id in 0..many {
        last = one("id", &id.to_string());
        touch(kept);
        if id % 1_000 == 0 {
            assert!(resolve(kept).is_some(), "{id}");
        }
    }
    assert_eq!(labels(last), [("id".to_owned(), (many - 1).to_string())]);
    assert!(resolve(left).is_none());
    let again = one("left", "yes");
    assert_ne!(again, left, "a number is not given again");
    assert!(resolve(left).is_none() && resolve(again).is_some());
}

#[test]
fn the_words_that_javascript_sees_say_which_numbers_are_good() {
    let number = one("seen", "by JavaScript");
    let words = shared_words().unwrap();
    let place = place_of(number);
    // SAFETY: both words lie within the table.
    let (tag, used) = unsafe { (*words.add(2 + place), *words.add(2 + CAPACITY + place)) };
    assert_eq!(tag, number);
    // SAFETY: as above.
    assert!(used <= unsafe { *words });
}

#[test]
fn a_fork_leaves_the_sets_and_opens_the_lock() {
    let state = State::new();
    let table = state.map().unwrap();
    let number = table.number_of(LabelSet::new([("a", "1")]));
    // Held by a thread that is gone.
    std::mem::forget(state.lock.lock());
    let State { table, lock } = state.inherited();
    assert!(lock.try_lock().is_some());
    // SAFETY: mapped for good above.
    let table = unsafe { table.load(Relaxed).as_ref() }.unwrap();
    assert!(table.get(number).is_some());
}
