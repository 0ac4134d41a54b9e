//! (to be written)
/// The replicated state.
#[derive(Debug, Clone, Default)]
pub struct State {}
