//! The operators of C++, as names and in expressions.

pub(super) struct Operator {
    /// What follows the code in an expression, a letter each: see `expressions.rs`.
    pub(super) operands: &'static str,
    /// What follows `operator` in a name; empty for those that are none.
    pub(super) text: &'static str,
}

/// The operator with this code.
pub(super) fn operator(code: &str) -> Option<Operator> {
    let row = OPERATORS.lines().find(|row| row.starts_with(code))?;
    let (operands, text) = row.get(code.len()..)?.split_once(':')?;
    Some(Operator { operands, text })
}

/// Code, operands, `:`, text. One text instead of rows of texts, each of which would be a pointer and a relocation (10 KB in all).
const OPERATORS: &str = "\
nwwtn: new
nawtn: new[]
dle: delete
dae: delete[]
awe: co_await
nge:-
pse:+
ade:&
dee:*
coe:~
plee:+
miee:-
mlee:*
dvee:/
rmee:%
anee:&
oree:|
eoee:^
aSee:=
pLee:+=
mIee:-=
mLee:*=
dVee:/=
rMee:%=
aNee:&=
oRee:|=
eOee:^=
lsee:<<
rsee:>>
lSee:<<=
rSee:>>=
eqee:==
neee:!=
ltee:<
gtee:>
leee:<=
geee:>=
ssee:<=>
nte:!
aaee:&&
ooee:||
pp-e:++
mm-e:--
cmee:,
pmee:->*
ptee:->
cll:()
ixee:[]
queee:?
cpl:
cvtv:
tltl:
ill:
dcte:
scte:
ccte:
rcte:
tit:
tee:
stt:
sze:
att:
aze:
nxe:
dtee:
dsee:
sZe:
sPa:
spe:
twe:
tr:
dise:
dxee:
dXeee:
ono:
dnd:
srq:
gse:
fpp:
flf:
frf:
fRfe:
rqr:
";
