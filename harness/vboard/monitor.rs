//! The emulator's monitor, of which one thing is asked: to tell from now on what it executes.
//!
//! The emulator connects to a socket of ours when it starts, so nothing has to be waited for or polled, and the socket's
//! file may go as soon as the firmware is up. The protocol is QMP: a line of JSON each way
//! (<https://www.qemu.org/docs/master/interop/qmp-spec.html>).

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// An emulator that says nothing for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);

/// Where the emulator's monitor will be.
#[derive(Debug)]
pub struct Monitor(UnixListener);

impl Monitor {
    /// Makes the emulator of `command` connect to a socket in `folder`.
    ///
    /// # Errors
    ///
    /// Those of making the socket.
    pub fn attach(command: &mut Command, folder: &Path) -> io::Result<Self> {
        let path = folder.join("monitor");
        let listener = UnixListener::bind(&path)?;
        // A comma ends an option's value unless it is doubled.
        let path = path.to_string_lossy().replace(',', ",,");
        command.args(["-chardev", &format!("socket,id=monitor,path={path}")]);
        command.args(["-mon", "chardev=monitor,mode=control"]);
        Ok(Self(listener))
    }

    /// Makes the emulator tell on its standard error what it executes: the instructions of each block when it first
    /// meets it, and the block's name each time it enters it ([`super::trace`] reads that). No count changes by it.
    ///
    /// The CPU is stopped meanwhile: a block that it is in the middle of would be told without its instructions.
    ///
    /// # Errors
    ///
    /// Those of the socket, a time-out, and what the emulator refused.
    pub async fn tell_execution(&self) -> io::Result<()> {
        let asking = async {
            let (stream, _) = self.0.accept().await?;
            let mut stream = BufReader::new(stream);
            for command in [
                json!({ "execute": "qmp_capabilities" }),
                json!({ "execute": "stop" }),
                json!({ "execute": "human-monitor-command", "arguments": { "command-line": "log in_asm,exec,nochain" } }),
                json!({ "execute": "cont" }),
            ] {
                ask(&mut stream, &command).await?;
            }
            Ok(())
        };
        let silent = |_| io::Error::new(io::ErrorKind::TimedOut, "the emulator's monitor does not answer");
        tokio::time::timeout(SILENCE, asking).await.map_err(silent)?
    }
}

/// Waits for the answer, past the greeting and what the emulator tells of itself.
async fn ask(stream: &mut BufReader<UnixStream>, command: &Value) -> io::Result<()> {
    stream.get_mut().write_all(format!("{command}\n").as_bytes()).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let said: Value = serde_json::from_str(&line)?;
        match (said.get("return"), said.get("error")) {
            // A command for people returns what it has to complain of as a text.
            (Some(Value::String(complaint)), _) if !complaint.is_empty() => {
                return Err(io::Error::other(format!("{command} gave {complaint}")));
            }
            (Some(_), _) => return Ok(()),
            (None, Some(error)) => return Err(io::Error::other(format!("{command} gave {error}"))),
            (None, None) => {}
        }
    }
}
