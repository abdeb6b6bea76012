//! One object per JavaScript thread that every copy of the package finds.
//!
//! It hangs on the environment's own `process` object, under a registered symbol: an addon's global object is the main
//! context's, also when a module registry of a test runner loaded it, and two copies of the addon share it.

use napi::bindgen_prelude::{Env, JsObjectValue, JsValue, Object, Unknown};
use napi::{JsSymbol, ValueType};
use napi_derive::napi;

/// The object. Made at the first call.
#[napi(ts_return_type = "object")]
pub fn registry(env: &Env) -> napi::Result<Object<'_>> {
    let mut process: Object = env.get_global()?.get_named_property("process")?;
    let symbol: JsSymbol = env.symbol_for("pronghorn.registry")?;
    let known: Unknown = process.get_property(symbol)?;
    if known.get_type()? == ValueType::Object {
        return known.coerce_to_object();
    }
    let fresh = Object::new(env)?;
    process.set_property(env.symbol_for("pronghorn.registry")?, fresh)?;
    Ok(fresh)
}
