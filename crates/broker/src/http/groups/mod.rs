//! Consumer groups over REST.
//!
//! | call | file |
//! |---|---|
//! | `GET /api/v1/groups` | [`list`] |
//! | `GET /api/v1/groups/{group}` | [`describe`], in words by [`words`], how far behind by [`lag`] |
//! | `POST /api/v1/groups/{group}/offsets` | [`reset`] |
//! | `DELETE /api/v1/groups/{group}` | [`delete`] |
//! | `POST /api/v1/groups/{group}/poll` | [`poll`], at the coordinator by [`reading`]; who waits does so in a [`line`], who hangs up gives back what it was [promised](promise) |
//! | `POST /api/v1/groups/{group}/ack` | [`ack`] |
//!
//! `GET /metrics` tells of the groups that are coordinated here: [`figures`].
//!
//! Every broker takes every call. A group's coordinator answers; other brokers hand the call on to it, once ([`route`]).

mod ack;
mod assignment;
mod delete;
mod describe;
mod figures;
mod lag;
mod line;
mod list;
mod poll;
mod promise;
mod reading;
mod reset;
mod route;
mod words;

pub(super) use ack::{__path_ack, ack};
pub(super) use delete::{__path_delete, delete};
pub(super) use describe::{__path_describe, describe};
pub(super) use figures::GroupFigures;
pub(super) use line::Lines;
pub(super) use list::{__path_list, list};
pub(super) use poll::{__path_poll, poll};
pub(super) use reset::{__path_reset, reset};
