//! The server as clients see it, over real sockets.

use std::time::Duration;

use axum::{Router, body::Bytes, routing::{get, post}};
use common::{ClusterId, IncarnationId};
use http_api::{Livez, ProcessRole};
