//! The REST surface of a board as methods: K1's own routes, and the probe's under `/api/hil/`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{self, Patience, Request};
use super::probe::{Frames, Pictures};
use super::{Address, AudioSource, Board, BoardError, Mac, ProbeInfo, Stimulus};
use crate::audio::Recording;

/// Version of the probe's protocol that this client speaks.
const PROBE: u32 = 1;

const DEVICE_INFO: &str = "/api/device/info";

/// Which board it is that answers somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub mac: Mac,
    /// As its probe says; none if its firmware has none.
    pub model: Option<String>,
}

/// `GET /api/patterns`: the patterns of the running image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Patterns {
    pub patterns: Vec<PatternSeen>,
    /// Index of the pattern that is drawn.
    pub current_pattern: u32,
}

/// One pattern as the board names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PatternSeen {
    pub index: u32,
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub audio_reactive: bool,
}

/// Answer of `POST /api/select`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Selected {
    /// Index of the pattern that is drawn now.
    pub current_pattern: u32,
    pub id: String,
    pub name: String,
}

/// What a measured run does: `POST /api/hil/run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunOrder<'a> {
    /// Pattern id.
    pub pattern: &'a str,
    /// Of the stimulus.
    pub seed: u32,
    /// Frames drawn before the recorded ones.
    pub warmup: u32,
    /// Frames recorded.
    pub frames: u32,
    #[serde(serialize_with = "by_id")]
    pub stimulus: &'a Stimulus,
    pub audio: AudioSource,
}

/// Answer of `POST /api/hil/run`: the run is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct RunArmed {
    pub run_id: u32,
    pub boot_id: u32,
}

fn by_id<S: serde::Serializer>(stimulus: &Stimulus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&stimulus.id())
}

#[derive(Deserialize)]
struct DeviceInfo {
    mac: String,
}

impl Board {
    /// Makes sure that a board with a probe answers at `address`, and asks for its identity.
    ///
    /// # Errors
    ///
    /// [`BoardError::Unreachable`], also if the board is silent for 5 s; [`BoardError::NoProbe`] if it answers
    /// but cannot measure.
    pub async fn connect(address: &Address) -> Result<Self, BoardError> {
        Ok(Self::look(address, Patience::USUAL).await?.0)
    }

    /// As [`Self::connect`], with what the probe said.
    pub(super) async fn look(address: &Address, patience: Patience) -> Result<(Self, ProbeInfo), BoardError> {
        let mut board = Self::at(address);
        // Firmware without a probe says so at the first request, before the board's rate limit is touched.
        let info = board.info_within(patience).await?;
        board.model.clone_from(&info.model);
        board.mac = match &info.mac {
            Some(mac) => mac.clone(),
            None => board.device_info(patience).await?.mac,
        };
        Ok((board, info))
    }

    /// Which board answers at `address`, with or without a probe.
    ///
    /// # Errors
    ///
    /// See [`BoardError`]; [`BoardError::Malformed`] also if what answers has no MAC.
    pub async fn identify(address: &Address) -> Result<Identity, BoardError> {
        Self::identify_within(address, Patience::USUAL).await
    }

    pub(super) async fn identify_within(
        address: &Address,
        patience: Patience,
    ) -> Result<Identity, BoardError> {
        let (mac, model) = match Self::look(address, patience).await {
            Ok((board, _)) => (board.mac, Some(board.model)),
            Err(BoardError::NoProbe { .. }) => (Self::at(address).device_info(patience).await?.mac, None),
            Err(error) => return Err(error),
        };
        let mac = mac.parse().map_err(|error| Request::get(DEVICE_INFO).malformed(address, error))?;
        Ok(Identity { mac, model })
    }

    /// Restarts the board by choosing the slot that it runs from anyway. Answers when the order was accepted.
    ///
    /// # Errors
    ///
    /// See [`BoardError`]; [`BoardError::Refused`] with status 409 also if it runs no application.
    pub async fn reboot(&self) -> Result<(), BoardError> {
        let request = |slot: &str| Request::set("/api/hil/slot", &serde_json::json!({ "slot": slot }));
        let slot = self.info_if_up().await?.slot.ok_or_else(|| BoardError::Refused {
            board: self.address.to_string(),
            request: "a restart".to_owned(),
            status: 409,
            body: "no application runs".to_owned(),
        })?;
        http::ask(&self.http, &self.address, &request(&slot), Patience::ONE_LOOK).await?;
        Ok(())
    }

    fn at(address: &Address) -> Self {
        let (mac, model) = (String::new(), String::new());
        Self { address: address.clone(), mac, model, ota_password: None, http: http::client() }
    }

    async fn device_info(&self, patience: Patience) -> Result<DeviceInfo, BoardError> {
        let request = Request::get(DEVICE_INFO);
        let body = http::ask(&self.http, &self.address, &request, patience).await?;
        serde_json::from_slice(&body).map_err(|e| request.malformed(&self.address, e))
    }

    /// What the probe says of the running firmware.
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn info(&self) -> Result<ProbeInfo, BoardError> {
        self.info_within(Patience::USUAL).await
    }

    /// As [`Self::info`], for a board that may be restarting: one attempt, at most 2 s.
    pub(crate) async fn info_if_up(&self) -> Result<ProbeInfo, BoardError> {
        self.info_within(Patience::ONE_LOOK).await
    }

    /// The patterns of the running image. Boards answer this once a second only.
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn patterns(&self) -> Result<Patterns, BoardError> {
        self.json(&Request::get("/api/patterns")).await
    }

    /// Draws the pattern `id` from the next frame on.
    ///
    /// # Errors
    ///
    /// See [`BoardError`]; an unknown pattern is refused with status 404.
    pub async fn select(&self, id: &str) -> Result<Selected, BoardError> {
        self.json(&Request::set("/api/select", &serde_json::json!({ "id": id }))).await
    }

    /// The pattern parameters, by the firmware's names for them: `brightness`, `speed`, `palette_id` …
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn params(&self) -> Result<serde_json::Map<String, Value>, BoardError> {
        self.json(&Request::get("/api/params")).await
    }

    /// Changes some parameters and returns all of them. The firmware cuts values to their range and ignores
    /// names it does not know, so what counts is the answer.
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn set_params(
        &self,
        changes: &serde_json::Map<String, Value>,
    ) -> Result<serde_json::Map<String, Value>, BoardError> {
        self.json(&Request::set("/api/params", changes)).await
    }

    /// Gives the board a recording, which replaces the one that it keeps and is gone with a restart.
    ///
    /// # Errors
    ///
    /// See [`BoardError`]; a recording longer than the board's memory for it is refused with status 413.
    pub async fn keep_recording(&self, recording: &Recording) -> Result<(), BoardError> {
        let request = Request::put_bytes("/api/hil/recording", recording.bytes());
        http::ask(&self.http, &self.address, &request, Patience::LONG).await.map(drop)
    }

    /// Arms a measured run, which replaces the one before.
    ///
    /// # Errors
    ///
    /// See [`BoardError`]; an unknown pattern is refused with status 404, a recording that the board does not keep with
    /// status 412. If the link broke after the order was
    /// sent, the run may have begun all the same.
    pub async fn run(&self, order: &RunOrder<'_>) -> Result<RunArmed, BoardError> {
        self.json(&Request::begin("/api/hil/run", order)).await
    }

    /// At most `max` records with a sequence number of `since` or more, oldest first.
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn frames(&self, since: u32, max: u32) -> Result<Frames, BoardError> {
        let request = Request::get(format!("/api/hil/frames?since={since}&max={max}"));
        Frames::decode(&self.bytes(&request).await?).map_err(|e| request.malformed(&self.address, e))
    }

    /// The pictures of the frames `since`, `since + every`, `since + 2 every` …, at most `max`.
    ///
    /// # Errors
    ///
    /// See [`BoardError`].
    pub async fn pictures(&self, since: u32, max: u32, every: u32) -> Result<Pictures, BoardError> {
        let request = Request::get(format!("/api/hil/leds?since={since}&max={max}&every={every}"));
        Pictures::decode(&self.bytes(&request).await?).map_err(|e| request.malformed(&self.address, e))
    }

    async fn info_within(&self, patience: Patience) -> Result<ProbeInfo, BoardError> {
        let no_probe =
            |found: String| BoardError::NoProbe { board: self.address.to_string(), expected: PROBE, found };
        let request = Request::get("/api/hil/info");
        let body = match http::ask(&self.http, &self.address, &request, patience).await {
            // Firmware without the probe knows no such route.
            Err(BoardError::Refused { status: 404, .. }) => return Err(no_probe("none".to_owned())),
            other => other?,
        };
        let malformed = |e: serde_json::Error| request.malformed(&self.address, e);
        // The version first: another one may have another structure.
        let value: Value = serde_json::from_slice(&body).map_err(malformed)?;
        match value.get("probe") {
            Some(version) if version.as_u64() == Some(PROBE.into()) => {}
            Some(version) => return Err(no_probe(version.to_string())),
            None => return Err(no_probe("none".to_owned())),
        }
        serde_json::from_value(value).map_err(malformed)
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, request: &Request) -> Result<T, BoardError> {
        serde_json::from_slice(&self.bytes(request).await?).map_err(|e| request.malformed(&self.address, e))
    }

    async fn bytes(&self, request: &Request) -> Result<Vec<u8>, BoardError> {
        http::ask(&self.http, &self.address, request, Patience::USUAL).await
    }
}
