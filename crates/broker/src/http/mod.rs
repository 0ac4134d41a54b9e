//! The broker's REST API.
//!
//! | call | file |
//! |---|---|
//! | `POST /api/v1/storage/metadata` | [`push`] |
//! | `GET /api/v1/storage/status` | [`status`] |
//! | `GET /readyz`, `GET /metrics`, `GET /openapi.json` | [`health`] |
//! | `/api/v1/topics/{topic}/...`: records | [`records`] |
//! | `/api/v1/groups...`: consumer groups | [`groups`] |
//! | `GET /livez` | `runtime::http` |
//!
//! Routes and their OpenAPI description are one table, made from the handlers: see [`router`]. Whatever comes in, the
//! answer is a 2xx or a problem; 5xx are for `/readyz`, and for records whose leader cannot be reached.

mod figures;
mod groups;
mod health;
mod push;
mod records;
mod router;
mod status;

pub use figures::Figures;
pub(crate) use records::Gateway;
pub use router::{Context, router};
