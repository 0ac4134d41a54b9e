//! The broker's REST API.
//!
//! | call | file |
//! |---|---|
//! | `POST /api/v1/storage/metadata` | [`push`] |
//! | `GET /api/v1/storage/status` | [`status`] |
//! | `GET /readyz`, `GET /metrics`, `GET /openapi.json` | [`health`] |
//! | `GET /livez` | `runtime::http` |
//!
//! Routes and their OpenAPI description are one table, made from the handlers: see [`router`]. Whatever comes in, the
//! answer is a 2xx or a problem with a 4xx; 503 is for `/readyz` alone.

mod health;
mod push;
mod router;
mod status;

pub use router::{Context, router};
