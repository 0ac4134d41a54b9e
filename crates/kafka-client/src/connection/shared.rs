//! A connection that several use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Connection;
use crate::flight::Flight;

/// A place for a connection, which is made when somebody needs it, once for all who ask meanwhile.
#[derive(Debug)]
pub(crate) struct SharedConnection<E> {
    kept: Mutex<Option<Arc<Connection>>>,
    opening: Flight<Result<Arc<Connection>, E>>,
}

impl<E> Default for SharedConnection<E> {
    fn default() -> Self {
        Self { kept: Mutex::new(None), opening: Flight::default() }
    }
}

impl<E: Clone + Send + 'static> SharedConnection<E> {
    /// The connection, if it is open and `fits`; else a new one.
    pub(crate) async fn get(
        &self,
        fits: impl Fn(&Connection) -> bool,
        open: impl Future<Output = Result<Connection, E>> + Send + 'static,
    ) -> Result<Arc<Connection>, E> {
        let fits = |kept: &&Arc<Connection>| !kept.is_closed() && fits(kept);
        if let Some(kept) = self.lock().as_ref().filter(fits) {
            return Ok(kept.clone());
        }
        let (opening, _) = self.opening.join(async { open.await.map(Arc::new) });
        let opened = opening.await?;
        let mut kept = self.lock();
        // Whoever comes late must not take away what has been made since.
        if !kept.as_ref().is_some_and(|kept| fits(&kept)) {
            *kept = Some(opened.clone());
        }
        Ok(opened)
    }

    /// The next one who asks gets another connection than this.
    pub(crate) fn forget(&self, connection: &Arc<Connection>) {
        let mut kept = self.lock();
        // Somebody else may have made another one.
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, connection)) {
            *kept = None;
        }
    }

    /// The next one who asks gets a new connection.
    pub(crate) fn forget_any(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
