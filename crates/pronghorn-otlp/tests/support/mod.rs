//! What the tests share: profiles to encode, a decoder that is not ours, and the rules that it checks.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part of this"
)]
#![allow(
    clippy::expect_used,
    reason = "clippy.toml allows it in test functions, but not in their helpers"
)]

pub mod meaning;
pub mod model;
pub mod profiles;
pub mod rules;

pub use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest as Request;

use model::Pprof;
use pronghorn_otlp::Options;
use prost::Message;

/// A request as its reader sees it.
pub fn decode(body: &[u8]) -> Request {
    Request::decode(body).expect("a request")
}

/// Encodes a profile, and checks that the request keeps every rule and says what the profile says.
pub fn encode_and_check(profile: &Pprof, options: &Options) -> Request {
    let body = pronghorn_otlp::encode(&profile.encode(), options).expect("a valid profile");
    let request = decode(&body);
    let broken = rules::broken(&request);
    assert!(broken.is_empty(), "{broken:#?}");
    meaning::compare(profile, &request);
    request
}
