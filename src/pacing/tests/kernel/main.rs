//! Pacing seen from outside: a lane of its own drives it, and a counter that knows only the table judges the trace.

mod decisions;
mod lane;
mod limits;
mod oracle;
