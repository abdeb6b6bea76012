//! The `v8dbg_` constants as offsets, types and slots: each is looked for under every name that a version has for it, and refused if it cannot be one.

use super::Unsupported;

/// Reads exported ints under whatever name this version has for them.
pub(super) struct Ints<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<i32>,
}

impl Ints<'_> {
    fn find(&self, names: &[&str]) -> Option<i32> {
        names.iter().find_map(|name| (self.lookup)(name))
    }

    pub(super) fn any(&self, names: &[&str]) -> Result<i32, Unsupported> {
        self.find(names).ok_or_else(|| Unsupported {
            reason: format!(
                "this runtime does not export v8dbg_{}",
                names.first().copied().unwrap_or("")
            ),
        })
    }

    pub(super) fn offset(&self, names: &[&str]) -> Result<u64, Unsupported> {
        let value = self.any(names)?;
        u64::try_from(value)
            .ok()
            .filter(|&value| value < 4096)
            .ok_or_else(|| Unsupported {
                reason: format!(
                    "v8dbg_{} is {value}, which is no offset",
                    names.first().copied().unwrap_or("")
                ),
            })
    }

    pub(super) fn offset_or(&self, names: &[&str], default: u64) -> u64 {
        self.find(names)
            .and_then(|value| u64::try_from(value).ok())
            .filter(|&value| value < 4096)
            .unwrap_or(default)
    }

    pub(super) fn type_of(&self, names: &[&str]) -> Result<u16, Unsupported> {
        let value = self.any(names)?;
        u16::try_from(value).map_err(|_| Unsupported {
            reason: format!(
                "v8dbg_{} is {value}, which is no instance type",
                names.first().copied().unwrap_or("")
            ),
        })
    }

    pub(super) fn type_or(&self, names: &[&str], default: u16) -> u16 {
        self.find(names)
            .and_then(|value| u16::try_from(value).ok())
            .unwrap_or(default)
    }

    pub(super) fn slot(&self, name: &str) -> Result<i64, Unsupported> {
        let value = self.any(&[name])?;
        if (-256..0).contains(&value) && value % 8 == 0 {
            Ok(i64::from(value))
        } else {
            Err(Unsupported {
                reason: format!("v8dbg_{name} is {value}, which is no frame slot"),
            })
        }
    }
}
