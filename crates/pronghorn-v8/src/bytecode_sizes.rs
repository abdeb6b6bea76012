//! How long each bytecode is: needed to count bytecodes along a baseline frame's table.

/// The address of V8's own table of bytecode sizes, where it is exported (Node 20 and 22).
pub(crate) fn exported_table() -> Option<u64> {
    crate::symbols::exported("_ZN2v88internal11interpreter9Bytecodes14kBytecodeSizesE")
}
