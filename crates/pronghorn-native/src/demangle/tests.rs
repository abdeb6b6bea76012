//! Our reader beside a whole demangler, on real names: of the functions in the binaries of Node 20, 22, 24 and 26 and in libstdc++, those that
//! have every run of three productions once.

use std::fmt::Write;
use std::ops::Range;

use cpp_demangle::{BorrowedSymbol, DemangleOptions, ParseOptions};

use super::{MAX_LENGTH, cpp, demangle};

const NAMES: &str = include_str!("../../tests/names-of-node.txt");
/// What clang 22 and GCC 12 make of a source that has what Node's do not: every kind of expression, constraint, literal and thunk.
const OTHERS: &str = include_str!("../../tests/names-of-cpp20.txt");

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.lines().filter(|name| name.starts_with("_Z"))
}

/// What cpp_demangle makes of a name, in the form of ours.
fn reference(name: &str) -> Option<String> {
    let parse = ParseOptions::default().recursion_limit(300);
    let (symbol, _) = BorrowedSymbol::with_tail_and_options(name.as_bytes(), &parse).ok()?;
    let options = DemangleOptions::new()
        .no_params()
        .no_return_type()
        .recursion_limit(300);
    let mut text = String::new();
    symbol.structured_demangle(&mut text, &options).ok()?;
    Some(without_details(&text))
}

/// Where the bracket that `text` begins with is closed.
fn bracketed(text: &str, open: char, close: char) -> Range<usize> {
    let mut depth = 0;
    let mut last = ' ';
    for (at, letter) in text.char_indices() {
        if letter == open {
            depth += 1;
        } else if letter == close && last != '-' {
            depth -= 1;
            if depth == 0 {
                return 0..at + 1;
            }
        }
        last = letter;
    }
    0..text.len()
}

fn without_details(text: &str) -> String {
    const THUNKS: [(&str, &str); 2] = [
        ("{virtual override thunk({offset", "non-virtual thunk to "),
        (
            "{virtual override thunk({virtual offset",
            "virtual thunk to ",
        ),
    ];
    for (theirs, ours) in THUNKS {
        if let Some(thunk) = text.strip_prefix(theirs) {
            let function = thunk.split_once("}, ").unwrap().1;
            return format!(
                "{ours}{}",
                without_details(function.strip_suffix(")}").unwrap())
            );
        }
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, passed) = if let Some(operator) = rest.strip_prefix("operator") {
            // Those with brackets that are none.
            let symbols = [
                "()", "<=>", "<<=", ">>=", "->*", "->", "<<", ">>", "<=", ">=", "<", ">", "",
            ];
            let symbol = symbols.iter().find(|symbol| operator.starts_with(**symbol));
            let length = "operator".len() + symbol.unwrap().len();
            (&rest[..length], length)
        } else if rest.starts_with("(anonymous namespace)") {
            ("(anonymous namespace)", "(anonymous namespace)".len())
        } else if let Some(parameters) = rest.strip_prefix("{lambda") {
            ("{lambda", 7 + bracketed(parameters, '(', ')').end)
        } else if first == '<' {
            ("<...>", bracketed(rest, '<', '>').end)
        } else if first == '(' {
            ("", bracketed(rest, '(', ')').end)
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        shown.push_str(kept);
        rest = &rest[passed..];
    }
    for qualifier in [" &", " &&", " const"] {
        shown = shown.replace(&format!("{qualifier}::"), "::");
        shown.truncate(shown.trim_end_matches(qualifier).len());
    }
    if let Some((class, to)) = shown.split_once("operator ") {
        // Of types that are converted to, ours shows the builtin ones only.
        if to.contains([':', '*', '<']) || to.ends_with(' ') {
            shown = format!("{class}operator ...");
        }
    }
    shown
}

#[test]
fn ours_agrees_with_a_whole_demangler() {
    let (mut known, mut different) = (0, Vec::new());
    for name in names() {
        let Some(theirs) = reference(name) else {
            continue;
        };
        known += 1;
        let ours = demangle(name);
        if ours != theirs {
            different.push(format!("{name}\n  {ours}\n  {theirs}"));
        }
    }
    assert!(known > 3_000, "only {known} names");
    assert!(
        different.len() * 1_000 <= known,
        "{} of {known}:\n{}",
        different.len(),
        different.join("\n")
    );
}

/// What the other one cannot read, too. That a name was read as what it is shows behind it: its parameters follow, and nothing else.
#[test]
fn every_name_is_read_to_its_end() {
    let all = || names().chain(OTHERS.lines());
    let failed: Vec<&str> = all().filter(|name| !cpp::is_whole(name)).collect();
    assert!(all().count() > 4_000);
    assert!(
        failed.is_empty(),
        "{}:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Differences are found: the reference is not ours by another way.
#[test]
fn the_reference_shows_what_ours_leaves_out() {
    for (detailed, plain) in [
        (
            "a::b<c<d>, (e)->f>::operator<< <g>",
            "a::b<...>::operator<< <...>",
        ),
        (
            "a::b(c<d>) const::{lambda(e)#2}::operator()",
            "a::b::{lambda#2}::operator()",
        ),
        (
            "(anonymous namespace)::a::~a",
            "(anonymous namespace)::a::~a",
        ),
        ("a::operator b::c*", "a::operator ..."),
        ("a::operator bool", "a::operator bool"),
        (
            "{virtual override thunk({offset(-8)}, a::b)}",
            "non-virtual thunk to a::b",
        ),
    ] {
        assert_eq!(without_details(detailed), plain);
    }
}

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
            "std::vector<...>::push_back",
        ),
        ("_ZN3foo3barIiEEvT_", "foo::bar<...>"),
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
            "v8::internal::Heap::Run::{lambda#1}::operator()<...>",
        ),
        ("_ZN3foo3barC2ERKS0_", "foo::bar::bar"),
        ("_ZNSt6vectorIiSaIiEED1Ev", "std::vector<...>::~vector"),
        ("_ZNSsC1Ev", "std::string::string"),
        ("_ZNSi4readEPcl", "std::basic_istream<...>::read"),
        ("_ZNK3foo3barcvbEv", "foo::bar::operator bool"),
        ("_ZNK3foo3barcvPKcEv", "foo::bar::operator ..."),
        ("_ZN3foonwEm", "foo::operator new"),
        ("_ZN3foolsIiEERS_T_", "foo::operator<< <...>"),
        ("_Zli3_kmy", "operator\"\" _km"),
        ("_ZZ3foovENKUlvE0_clEv", "foo::{lambda#2}::operator()"),
        ("_ZZ3foovEN3barC1Ev_0", "foo::bar::bar"),
        (
            "_ZZN3fooC1EvEd0_NKUliE_clEi",
            "foo::foo::{lambda#1}::operator()",
        ),
        ("_ZN3fooUt_3barEv", "foo::{unnamed type#1}::bar"),
        ("_ZN3foo3barB5cxx11Ev", "foo::bar[abi:cxx11]"),
        ("_ZThn16_N3foo3barEv", "non-virtual thunk to foo::bar"),
        ("_ZTv0_n24_N3foo3barEv", "virtual thunk to foo::bar"),
        (
            "_ZTchn16_h16_N3foo3barEv",
            "covariant return thunk to foo::bar",
        ),
        ("_ZTW3foo", "TLS wrapper function for foo"),
        ("_ZTV3foo", "_ZTV3foo"),
        ("_ZZ3foo%E3bar", "foo::{...}"),
        ("_ZZ3foovE%", "foo::{...}"),
        ("_ZTh", "_ZTh"),
        ("_ZZ", "_ZZ"),
        ("_ZSt", "_ZSt"),
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

/// Deeper than the bound, and as long as nothing real: time that grew faster than the name would show.
#[test]
fn endless_names_end() {
    for (start, repeated, shown) in [
        ("_Z1fI", "P", "f<...>"),
        ("_Z1fI", "1aI", "f<...>"),
        ("_Z1fIX", "pl", "f<...>"),
        ("_Z1fI", "J", "f<...>"),
        ("_Z1f", "I1aE", "f<...>"),
        ("_Z", "Z1fv", "f::{...}"),
        ("_ZN", "C1", "_ZN"),
        ("_ZN1a", "C1", "_ZN1a"),
    ] {
        let name = format!("{start}{}", repeated.repeat(200_000));
        let text = demangle(&name);
        assert!(
            text == shown || text == name && name.starts_with(shown),
            "{start}{repeated}: {}",
            &text[..40.min(text.len())]
        );
    }
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
                bytes[place] =
                    b"_0123456789ABEFIKLNPRSTXZabcdehijlmstvwxyz.@$"[(random >> 20) as usize % 45];
            }
            let _ = demangle(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
