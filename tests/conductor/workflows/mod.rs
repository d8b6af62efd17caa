//! The workflows of this program, each to its happy end and to every branch, by one worker and on virtual boards.

pub mod lab;

mod definitions;
mod demo;
mod firmware;
mod patterns;
mod release;
mod sounds;
