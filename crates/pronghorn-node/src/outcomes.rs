//! What comes of work on another thread, until JavaScript comes for it by its number.
//!
//! JavaScript looks by a timer (lib/off-thread.ts). Nothing wakes its event loop from outside: a threadsafe function of Node's has a lock and a queue, and libuv's
//! handle for it writes to a descriptor, which a child of a fork would all have of its parent. A timer and this table a child can do without.
//!
//! Threads: JavaScript threads and the one that works. The lock is held for a moment.
//!
//! Fork: a child begins with an empty table (whoever has one resets it), and knows no number of its parent's: numbers are not used twice.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use pronghorn_sync::Guarded;

use crate::error::{Code, Failure};

// Fork: kept, so that the child's numbers are others than the parent's.
static LAST: AtomicU32 = AtomicU32::new(0);

enum Outcome<D> {
    UnderWay,
    There(Result<D, Failure>),
    /// Somebody has it who could not wait for its turn.
    Elsewhere,
}

/// What has come of one kind of work, in the order in which it was begun.
pub(crate) struct Outcomes<D> {
    all: Guarded<Vec<(u32, Outcome<D>)>>,
}

/// What [`Outcomes::take`] and [`Outcomes::peek`] find.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<D> {
    NotYet,
    There(D),
    /// By [`Outcomes::take_before`].
    Elsewhere,
}

impl<D> Outcomes<D> {
    pub(crate) const fn new() -> Self {
        Self {
            all: Guarded::new(Vec::new()),
        }
    }

    /// Work is about to be begun: its number.
    pub(crate) fn begin(&self) -> u32 {
        let number = LAST.fetch_add(1, Relaxed).wrapping_add(1);
        self.all
            .lock()
            .with(|all| all.push((number, Outcome::UnderWay)));
        number
    }

    /// It is over. `held` is let go of before anybody sees that, and not before it can be seen.
    pub(crate) fn put<H>(&self, number: u32, result: Result<D, Failure>, held: H) {
        self.all.lock().with(|all| {
            if let Some((_, outcome)) = all.iter_mut().find(|(of, _)| *of == number) {
                *outcome = Outcome::There(result);
            }
            drop(held);
        });
    }

    /// For whoever began it: something of what [`Outcomes::take`] will give, which stays there for whoever cannot wait. What has failed is taken for
    /// [`Taken::Elsewhere`]: there is nothing to look at, and `take` says why.
    pub(crate) fn peek<R>(
        &self,
        number: u32,
        look: impl FnOnce(&D) -> R,
    ) -> Result<Taken<R>, Failure> {
        self.all.lock().with(|all| {
            let (_, outcome) = all
                .iter()
                .find(|(of, _)| *of == number)
                .ok_or_else(no_such_work)?;
            Ok(match outcome {
                Outcome::UnderWay => Taken::NotYet,
                Outcome::There(Ok(done)) => Taken::There(look(done)),
                Outcome::There(Err(_)) | Outcome::Elsewhere => Taken::Elsewhere,
            })
        })
    }

    /// For whoever began it, until it is there, once.
    pub(crate) fn take(&self, number: u32) -> Result<Taken<D>, Failure> {
        self.all.lock().with(|all| {
            let Some(at) = all.iter().position(|(of, _)| *of == number) else {
                return Err(no_such_work());
            };
            if matches!(all[at].1, Outcome::UnderWay) {
                return Ok(Taken::NotYet);
            }
            match all.remove(at).1 {
                Outcome::There(result) => result.map(Taken::There),
                Outcome::UnderWay | Outcome::Elsewhere => Ok(Taken::Elsewhere),
            }
        })
    }

    /// For whoever cannot wait: the first that is there and that nobody has.
    pub(crate) fn take_before(&self) -> Option<Result<D, Failure>> {
        self.all.lock().with(|all| {
            let is_there =
                |(_, outcome): &&mut (u32, Outcome<D>)| matches!(outcome, Outcome::There(_));
            let (_, outcome) = all.iter_mut().find(is_there)?;
            match std::mem::replace(outcome, Outcome::Elsewhere) {
                Outcome::There(result) => Some(result),
                Outcome::UnderWay | Outcome::Elsewhere => None,
            }
        })
    }

    /// Whether there is any that was not taken by its number.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.lock().with(|all| all.is_empty())
    }
}

fn no_such_work() -> Failure {
    Failure::new(
        Code::Forked,
        "no such work is under way in this process: its parent has it, or it was fetched",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_stays_for_whoever_is_faster() {
        let outcomes = Outcomes::new();
        let work = outcomes.begin();
        let peek = || outcomes.peek(work, |done| *done).ok();
        assert_eq!(peek(), Some(Taken::NotYet));
        outcomes.put(work, Ok('a'), ());
        assert_eq!(peek(), Some(Taken::There('a')));
        assert!(matches!(outcomes.take_before(), Some(Ok('a'))));
        assert_eq!(peek(), Some(Taken::Elsewhere));
        assert!(matches!(outcomes.take(work), Ok(Taken::Elsewhere)));
        let failed = outcomes.begin();
        outcomes.put(failed, Err(Failure::new(Code::Internal, "no")), ());
        assert!(matches!(
            outcomes.peek(failed, |_| ()),
            Ok(Taken::Elsewhere)
        ));
        assert!(outcomes.take(failed).is_err());
    }

    #[test]
    fn each_is_taken_once_by_its_number_or_before() {
        let outcomes = Outcomes::new();
        assert!(outcomes.is_empty());
        let (first, second) = (outcomes.begin(), outcomes.begin());
        assert_ne!(first, second);
        assert!(matches!(outcomes.take(first), Ok(Taken::NotYet)));
        assert!(outcomes.take_before().is_none());
        outcomes.put(second, Ok('b'), ());
        outcomes.put(first, Err(Failure::new(Code::Internal, "no")), ());
        assert!(matches!(outcomes.take(second), Ok(Taken::There('b'))));
        assert!(outcomes.take(second).is_err(), "once");
        assert!(outcomes.peek(second, |_| ()).is_err());
        assert!(matches!(outcomes.take_before(), Some(Err(_))));
        assert!(outcomes.take_before().is_none());
        assert!(matches!(outcomes.take(first), Ok(Taken::Elsewhere)));
        assert!(outcomes.is_empty());
        assert!(outcomes.peek(first, |_| ()).is_err());
        // Of a parent, or of nobody.
        outcomes.put(first, Ok('a'), ());
        assert!(outcomes.is_empty() && outcomes.take(first).is_err());
    }
}
