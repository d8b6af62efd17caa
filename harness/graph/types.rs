//! The types of the K1 graph schema, and which may stand in for which.
//!
//! A [`Type`] is what the schema calls a value; a [`Shape`] is what the value is made of. All coercions but one
//! (a float read as a grey colour) are between types of one shape and cost nothing.

/// The LEDs of one strip.
pub const LEDS: usize = 160;
/// The bins of an audio spectrum.
pub const BINS: usize = 64;

/// A type of the K1 graph schema, in its own spelling (see [`Type::name`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Float,
    /// Seconds.
    Time,
    /// 0 to 1.
    AudioEnvelope,
    ParamFloat,
    AudioSpectrum,
    Color,
    ParamColor,
    LedBufferFloat,
    LedBufferVec3,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One number.
    Float,
    /// Red, green and blue, 0 to 1.
    Color,
    /// [`BINS`] numbers.
    Spectrum,
    /// A number for each LED.
    FloatLeds,
    /// A colour for each LED.
    ColorLeds,
}

/// What a value is at one LED and in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    Float,
    Color,
    Spectrum,
}

impl Type {
    /// As the schema spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Time => "time",
            Self::AudioEnvelope => "audio_envelope",
            Self::ParamFloat => "param<float>",
            Self::AudioSpectrum => "audio_spectrum",
            Self::Color => "color",
            Self::ParamColor => "param<color>",
            Self::LedBufferFloat => "led_buffer_float",
            Self::LedBufferVec3 => "led_buffer_vec3",
        }
    }

    /// What a value of this type is made of.
    pub const fn shape(self) -> Shape {
        match self {
            Self::Float | Self::Time | Self::AudioEnvelope | Self::ParamFloat => Shape::Float,
            Self::AudioSpectrum => Shape::Spectrum,
            Self::Color | Self::ParamColor => Shape::Color,
            Self::LedBufferFloat => Shape::FloatLeds,
            Self::LedBufferVec3 => Shape::ColorLeds,
        }
    }
}

impl Shape {
    /// The plain type of this shape.
    pub const fn plain(self) -> Type {
        match self {
            Self::Float => Type::Float,
            Self::Color => Type::Color,
            Self::Spectrum => Type::AudioSpectrum,
            Self::FloatLeds => Type::LedBufferFloat,
            Self::ColorLeds => Type::LedBufferVec3,
        }
    }

    /// The value at one LED.
    pub const fn element(self) -> Element {
        match self {
            Self::Float | Self::FloatLeds => Element::Float,
            Self::Color | Self::ColorLeds => Element::Color,
            Self::Spectrum => Element::Spectrum,
        }
    }

    /// What a port that takes the shapes of `accepted` makes of this one: itself, a colour of a float, or nothing.
    pub fn coerced(self, accepted: &[Self]) -> Option<Self> {
        if accepted.contains(&self) {
            Some(self)
        } else if self == Self::Float && accepted.contains(&Self::Color) {
            Some(Self::Color)
        } else {
            None
        }
    }

    /// The shape of an operation on both, element by element: floats spread over colours and LEDs, colours over
    /// coloured LEDs; LEDs of numbers and colours do not mix (the schema forbids it).
    pub fn joined(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Spectrum, _) | (_, Self::Spectrum) => None,
            (a, b) if a == b => Some(a),
            (Self::Float, wider) | (wider, Self::Float) => Some(wider),
            (Self::Color, Self::ColorLeds) | (Self::ColorLeds, Self::Color) => Some(Self::ColorLeds),
            _ => None,
        }
    }

    /// Memory of one value, in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Color => 12,
            Self::Spectrum => 4 * BINS,
            Self::FloatLeds => 4 * LEDS,
            Self::ColorLeds => 12 * LEDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Shape::Float, Shape::Float, Some(Shape::Float))]
    #[case(Shape::Float, Shape::Color, Some(Shape::Color))]
    #[case(Shape::FloatLeds, Shape::Float, Some(Shape::FloatLeds))]
    #[case(Shape::ColorLeds, Shape::Color, Some(Shape::ColorLeds))]
    #[case(Shape::FloatLeds, Shape::Color, None)]
    #[case(Shape::FloatLeds, Shape::ColorLeds, None)]
    #[case(Shape::Spectrum, Shape::Float, None)]
    #[case(Shape::Spectrum, Shape::Spectrum, None)]
    fn operations_join_shapes(#[case] a: Shape, #[case] b: Shape, #[case] joined: Option<Shape>) {
        assert_eq!(a.joined(b), joined);
        assert_eq!(b.joined(a), joined);
    }

    #[test]
    fn only_a_float_becomes_a_color() {
        assert_eq!(Shape::Float.coerced(&[Shape::Color]), Some(Shape::Color));
        assert_eq!(Shape::Color.coerced(&[Shape::Float]), None);
        assert_eq!(Shape::FloatLeds.coerced(&[Shape::ColorLeds]), None);
        assert_eq!(Shape::Spectrum.coerced(&[Shape::Float]), None);
    }
}
