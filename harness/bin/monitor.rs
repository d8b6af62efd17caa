//! `k1-hil monitor`: a board's log with the host's time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use k1_hil::board::serial::{SerialPort, USUAL_BAUD};
use k1_hil::monitor::{Heard, Line, Monitor, Stamp};

use crate::failure::Failure;
use crate::places;
use crate::shell::Shell;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The board's serial port
    port: PathBuf,
    /// Speed of the log; a chip's own USB port takes any
    #[arg(long, default_value_t = USUAL_BAUD, value_parser = clap::value_parser!(u32).range(1200..=4_000_000))]
    baud: u32,
    /// The firmware's ELF: names the functions and lines of a panic's addresses
    #[arg(long, value_name = "FILE.elf")]
    elf: Option<PathBuf>,
}

/// Goes on until it is interrupted, or its output is closed.
pub(crate) async fn main(shell: &Shell, args: &Args) -> Result<ExitCode, Failure> {
    let port = SerialPort { locks: places::locks(), ..SerialPort::at(&args.port) };
    let mut monitor = Monitor::start(&port, args.baud, args.elf.as_deref()).await?;
    while let Some(heard) = monitor.next().await {
        let text = match shell.json {
            true => serde_json::to_string(&heard).map_err(|e| Failure::Output(e.into()))? + "\n",
            false => shown(&heard, &args.port.display().to_string()),
        };
        let mut out = anstream::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            written => written.map_err(Failure::Output)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `14:03:22.120 +12.345  text`, and below it what the addresses are.
fn shown(heard: &Heard, port: &str) -> String {
    match heard {
        Heard::Line(Line { stamp, text, places, .. }) => {
            let mut shown = format!("{}  {text}\n", time(stamp));
            for place in places {
                let mut prefix = format!("    {:#010x}  ", place.address);
                for function in &place.functions {
                    // Writing to a string cannot fail.
                    let _ = match function.line {
                        0 => writeln!(shown, "{prefix}{}", function.name),
                        line => writeln!(shown, "{prefix}{} at {}:{line}", function.name, function.file),
                    };
                    prefix = "      inlined into ".to_owned();
                }
            }
            shown
        }
        Heard::Gone(stamp) => format!("{}  -- {port} is gone\n", time(stamp)),
        Heard::Back(stamp) => format!("{}  -- {port} is back\n", time(stamp)),
        _ => String::new(),
    }
}

fn time(stamp: &Stamp) -> String {
    let clock = stamp.wall.get(11..23).unwrap_or(&stamp.wall);
    format!("{clock} +{:.3}", stamp.monotonic_us as f64 / 1e6)
}
