//! The boards that a session works on: one that somebody named, or virtual ones of this process.

use crate::board::{Address, Board};
use crate::error::Error;
use crate::tools::Toolbox;
use crate::vboard::{Options, VirtualBoard};

/// More emulated CPUs than that at once cost more memory than they gain.
const MOST: usize = 8;

/// Boards that answered. Dropping it ends those that are virtual.
#[derive(Debug, Default)]
pub struct Bench {
    pub boards: Vec<Board>,
    virtual_boards: Vec<VirtualBoard>,
}

impl Bench {
    /// The board at `address`.
    ///
    /// # Errors
    ///
    /// Those of [`Board::connect`].
    pub async fn at(address: &Address) -> Result<Self, Error> {
        Ok(Self { boards: vec![Board::connect(address).await?], virtual_boards: Vec::new() })
    }

    /// `count` virtual boards, but at least one and not more than there are cores, each of which keeps one busy.
    ///
    /// # Errors
    ///
    /// A missing emulator, and those of [`VirtualBoard::start`].
    pub async fn of_virtual_boards(count: usize, toolbox: &Toolbox) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut bench = Self::default();
        for _ in 0..count.min(cores).clamp(1, MOST) {
            let started = VirtualBoard::start(Options::new(toolbox.qemu()?)).await?;
            bench.boards.push(Board::connect(started.address()).await?);
            bench.virtual_boards.push(started);
        }
        Ok(bench)
    }
}
