//! Names that read well in a flame graph, from mangled ones.
//!
//! Symbol names come from files that are not trusted: parsing is bounded by the demanglers' recursion limits and by
//! [`MAX_LENGTH`], since a short mangled name can stand for gigabytes of text.

use std::fmt::{self, Write};

use cpp_demangle::{BorrowedSymbol, DemangleOptions, ParseOptions};

/// Longest demangled text in bytes; a name that would be longer stays mangled.
const MAX_LENGTH: usize = 4096;
/// Depth of the C++ parser and printer. All names in the binaries of Node 20 and 22 stay below it.
const RECURSION_LIMIT: u32 = 96;
/// Template arguments longer than this are shown as `<...>`.
const MAX_TEMPLATE_ARGUMENTS: usize = 40;
/// What compilers append to the names of a function's parts and copies.
const CLONES: [&str; 6] = [
    ".cold",
    ".part.",
    ".constprop.",
    ".isra.",
    ".lto_priv.",
    ".llvm.",
];

/// A readable name for a symbol: C++ and Rust names are demangled, without parameters, return types and hashes, long
/// template arguments shortened; symbol versions and the marks of compiler-made copies are cut off. Any other name is returned
/// as it is. Never panics on damaged names.
#[must_use]
pub fn demangle(symbol: &str) -> String {
    // "@@GLIBC_2.14" behind a name in .symtab; an @ in front is part of the name.
    let name = match symbol.find('@') {
        Some(at) if at > 0 => symbol.get(..at).unwrap_or(symbol),
        _ => symbol,
    };
    let name = CLONES
        .iter()
        .filter_map(|mark| name.find(mark))
        .min()
        .and_then(|cut| name.get(..cut))
        .unwrap_or(name);
    let readable = if name.starts_with("_R") || is_legacy_rust(name) {
        rust(name)
    } else if name.starts_with("_Z") {
        cpp(name).or_else(|| enclosing_names(name))
    } else {
        None
    };
    readable.unwrap_or_else(|| name.to_owned())
}

/// Rust's old mangling is C++'s with a hash as last path element: `17h`, 16 hexadecimal digits, `E`.
fn is_legacy_rust(name: &str) -> bool {
    let hash = name
        .strip_suffix('E')
        .and_then(|rest| rest.len().checked_sub(19).and_then(|at| rest.get(at..)));
    name.starts_with("_ZN")
        && hash
            .and_then(|hash| hash.strip_prefix("17h"))
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    let mut text = Bounded::default();
    // The alternate form leaves the hash out.
    write!(text, "{demangled:#}").ok()?;
    Some(text.0)
}

fn cpp(name: &str) -> Option<String> {
    let parse = ParseOptions::default().recursion_limit(RECURSION_LIMIT);
    let (symbol, _) = BorrowedSymbol::with_tail_and_options(name.as_bytes(), &parse).ok()?;
    let options = DemangleOptions::new()
        .no_params()
        .no_return_type()
        .recursion_limit(RECURSION_LIMIT);
    let mut text = Bounded::default();
    symbol.structured_demangle(&mut text, &options).ok()?;
    Some(shorten(&text.0))
}

/// The plain names that a C++ name begins with, for what the parser does not know (in Node 26 one name in forty, with
/// C++20's constraints in it): `v8::base::PrintCheckOperand<...>`.
fn enclosing_names(name: &str) -> Option<String> {
    let encoding = name.strip_prefix("_Z")?;
    // Something local to a function, mostly a lambda: named by the function, with a mark.
    let outer = encoding.trim_start_matches('Z');
    let nested = match outer.strip_prefix('N') {
        Some(nested) => nested.trim_start_matches(['K', 'V', 'R', 'O']),
        None => outer,
    };
    let (mut text, mut rest) = match nested.strip_prefix("St") {
        Some(rest) => (String::from("std"), rest),
        None => (String::new(), nested),
    };
    // GCC marks names of internal linkage with an L.
    loop {
        let plain = rest.strip_prefix('L').unwrap_or(rest);
        let digits = plain.bytes().take_while(u8::is_ascii_digit).count();
        let Some(length) = plain
            .get(..digits)
            .and_then(|length| length.parse::<usize>().ok())
        else {
            break;
        };
        let Some(part) = plain.get(digits..).and_then(|named| named.get(..length)) else {
            break;
        };
        if !text.is_empty() {
            text.push_str("::");
        }
        text.push_str(if part == "_GLOBAL__N_1" {
            "(anonymous namespace)"
        } else {
            part
        });
        rest = plain.get(digits.checked_add(length)?..)?;
    }
    if text.is_empty() || text == "std" || text.len() > MAX_LENGTH {
        return None;
    }
    if rest.starts_with('I') {
        text.push_str("<...>");
    }
    if outer != encoding {
        text.push_str("::{...}");
    }
    Some(text)
}

/// Text that refuses to grow beyond [`MAX_LENGTH`].
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_LENGTH {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Replaces long template arguments.
fn shorten(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(open) = rest.find('<') {
        let (before, from_open) = rest.split_at(open);
        short.push_str(before);
        let length = if is_operator(&short) {
            None
        } else {
            matching(from_open)
        };
        // Without a matching bracket, as in operator names, the bracket stands for itself.
        let (arguments, behind) = from_open.split_at(length.unwrap_or(1));
        if arguments.len() > MAX_TEMPLATE_ARGUMENTS {
            short.push_str("<...>");
        } else {
            short.push_str(arguments);
        }
        rest = behind;
    }
    short.push_str(rest);
    short
}

/// Whether a `<` behind this text belongs to an operator's name.
fn is_operator(before: &str) -> bool {
    before.ends_with("operator") || before.ends_with("operator<")
}

/// Length of the bracketed text that `text` begins with, brackets included.
fn matching(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut last = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth = depth.saturating_add(1),
            '>' if last != '-' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return at.checked_add(1);
                }
            }
            _ => {}
        }
        last = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_names() {
        for (mangled, readable) in [
            ("malloc", "malloc"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            (
                "_ZN4node2fsL4ReadERKN2v820FunctionCallbackInfoINS1_5ValueEEE",
                "node::fs::Read",
            ),
            (
                "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE.cold",
                "v8::internal::Heap::CollectGarbage",
            ),
            (
                "_ZNSt6vectorIiSaIiEE9push_backERKi",
                "std::vector<int, std::allocator<int> >::push_back",
            ),
            ("_ZN3foo3barIiEEvT_", "foo::bar<int>"),
            ("_ZlsRSoRK3foo", "operator<<"),
            ("_ZN3fooltERKS_", "foo::operator<"),
            ("_ZN12_GLOBAL__N_13runEv", "(anonymous namespace)::run"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
            ("_RNvCskwGfYPst2Cb_3foo3bar", "foo::bar"),
            (
                "_ZN2v84base17PrintCheckOperandIPKcQaaaantsr3stdE13is_function_vINSt14remove_pointerIT_E4typeEEntE",
                "v8::base::PrintCheckOperand<...>",
            ),
            (
                "_ZSt10from_charsItTnNSt9enable_ifIXsr5__or_E",
                "std::from_chars<...>",
            ),
            (
                "_ZZN2v88internal4Heap3RunEvENKUlTnNS0_4KindEvE_clILS5_16EEEDav",
                "v8::internal::Heap::Run::{...}",
            ),
            ("hot.constprop.0", "hot"),
            ("my.function", "my.function"),
            ("Builtins_ArrayMap", "Builtins_ArrayMap"),
            ("_Znot_a_name", "_Znot_a_name"),
            ("_ZN99999999999999999999999x", "_ZN99999999999999999999999x"),
            ("_ZN9x", "_ZN9x"),
            ("", ""),
            ("@", "@"),
        ] {
            assert_eq!(demangle(mangled), readable, "{mangled}");
        }
    }

    #[test]
    fn long_template_arguments_are_shortened() {
        let long =
            "a::b<std::map<unsigned long, std::vector<c, d>, std::less<e>>, (f)->g>::run<int>";
        assert_eq!(shorten(long), "a::b<...>::run<int>");
        assert_eq!(shorten("a::operator<<<int>"), "a::operator<<<int>");
        assert_eq!(shorten("a<b"), "a<b");
    }

    #[test]
    fn exploding_names_stay_mangled() {
        // Each substitution doubles what the one before it stands for.
        let mut bomb = String::from("_ZN1aI");
        bomb.push_str("St4pairI1bS_E");
        for level in 0..60_u32 {
            let digit = char::from_digit(level % 36, 36)
                .unwrap()
                .to_ascii_uppercase();
            write!(bomb, "St4pairIS{digit}_S{digit}_E").unwrap();
        }
        bomb.push_str("E1cEv");
        assert!(demangle(&bomb).len() <= MAX_LENGTH.max(bomb.len()));
    }

    #[test]
    fn damaged_names_do_not_panic() {
        let names = [
            "_ZN4node2fsL4ReadERKN2v820FunctionCallbackInfoINS1_5ValueEEE",
            "_ZNSt8__detail9_Map_baseIPKcSt4pairIKS2_mESaIS5_ENS_10_Select1stESt8equal_toIS2_ESt4hashIS2_ELb1EEixERS4_",
            "_RNvXs_NtCs1234_4core3fmtRNtB4_9ArgumentsNtB4_5Debug3fmt",
            "_ZN4core3fmt5write17h0123456789abcdefE",
        ];
        let mut random = 1_u64;
        for _ in 0..20_000 {
            for name in names {
                let mut bytes = name.as_bytes().to_vec();
                for _ in 0..3 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let place = (random >> 40) as usize % (bytes.len() - 2) + 2;
                    bytes[place] = b"_0123456789ABEFIKLNPRSTXZabcdehijlmstvwxyz.@$"
                        [(random >> 20) as usize % 45];
                }
                let _ = demangle(std::str::from_utf8(&bytes).unwrap());
            }
        }
    }
}
