//! The LED frames of a run as one small picture: a row per frame, a pixel per LED, time running down.

use base64::Engine as _;

use super::ReportError;
use crate::capture::Picture;

/// More rows than this tell a person nothing more, and cost 640 bytes each.
const MAX_ROWS: usize = 48;
/// A strip is 160 LEDs long; a file may say anything.
const MAX_LEDS: usize = 1024;

/// A PNG as a `data:` address.
#[derive(Debug)]
pub(super) struct Filmstrip {
    pub address: String,
    pub rows: usize,
    /// Place in the run of the first and the last row.
    pub first: u32,
    pub last: u32,
}

/// Draws `pictures`, evenly thinned out if there are many; `None` if there is nothing to draw.
///
/// The bytes sent to an LED are in proportion to its light, those sent to a screen are not (sRGB), so each is
/// given the value that looks as bright on a screen. LEDs that a picture lacks or that cannot be read are black.
pub(super) fn filmstrip(pictures: &[Picture]) -> Result<Option<Filmstrip>, ReportError> {
    let rows = pictures.len().min(MAX_ROWS);
    let chosen: Vec<&Picture> = (0..rows).map(|row| &pictures[row * pictures.len() / rows]).collect();
    let leds = chosen.iter().map(|picture| picture.rgb_hex.len() / 6).max().unwrap_or(0).min(MAX_LEDS);
    let (Some(first), Some(last), 1..) = (chosen.first(), chosen.last(), leds) else { return Ok(None) };
    let mut pixels = vec![0; rows * leds * 3];
    for (row, picture) in pixels.chunks_exact_mut(leds * 3).zip(&chosen) {
        for (value, digits) in row.iter_mut().zip(picture.rgb_hex.as_bytes().chunks_exact(2)) {
            *value = on_screen(byte(digits));
        }
    }
    let png =
        png(&pixels, leds as u32, rows as u32).map_err(|e| ReportError::Page { reason: e.to_string() })?;
    let address = format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png));
    Ok(Some(Filmstrip { address, rows, first: first.index, last: last.index }))
}

fn byte(digits: &[u8]) -> u8 {
    let digit = |d: u8| (d as char).to_digit(16);
    match digits {
        [high, low] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (high * 16 + low) as u8,
            _ => 0,
        },
        _ => 0,
    }
}

/// The sRGB transfer function (IEC 61966-2-1).
fn on_screen(light: u8) -> u8 {
    let linear = f32::from(light) / 255.0;
    let encoded = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (255.0 * encoded).round() as u8
}

fn png(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(texts: &[&str]) -> Vec<Picture> {
        (0..)
            .zip(texts)
            .map(|(index, text)| Picture { index: index * 10, rgb_hex: (*text).to_owned() })
            .collect()
    }

    fn decoded(strip: &Filmstrip) -> (u32, u32, Vec<u8>) {
        let base64 = strip.address.strip_prefix("data:image/png;base64,").unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn each_picture_is_a_row_and_each_led_a_pixel() {
        let strip = filmstrip(&pictures(&["ff0000000000", "00000000ff00", "0000ffffffff"])).unwrap().unwrap();
        assert_eq!((strip.rows, strip.first, strip.last), (3, 0, 20));
        let rows: [[u8; 6]; 3] = [[255, 0, 0, 0, 0, 0], [0, 0, 0, 0, 255, 0], [0, 0, 255, 255, 255, 255]];
        assert_eq!(decoded(&strip), (2, 3, rows.concat()));
    }

    #[test]
    fn half_the_light_is_three_quarters_of_the_screen() {
        assert_eq!([0, 1, 128, 255].map(on_screen), [0, 13, 188, 255]);
    }

    #[test]
    fn what_cannot_be_read_is_black() {
        let strip = filmstrip(&pictures(&["zz00ff", "ff", "", "é0ffffff"])).unwrap().unwrap();
        assert_eq!(decoded(&strip).2[..3], [0, 0, 255]);
        assert_eq!(decoded(&strip).2[3..6], [255, 0, 0]);
        assert!(filmstrip(&pictures(&["", "f"])).unwrap().is_none());
        assert!(filmstrip(&[]).unwrap().is_none());
    }

    #[test]
    fn a_long_run_is_thinned_out_evenly() {
        let many: Vec<Picture> =
            (0..2048).map(|index| Picture { index, rgb_hex: "102030".repeat(160) }).collect();
        let strip = filmstrip(&many).unwrap().unwrap();
        assert_eq!((strip.rows, strip.first, strip.last), (MAX_ROWS, 0, 2005));
        assert!(strip.address.len() < 2_000, "{}", strip.address.len());
    }
}
