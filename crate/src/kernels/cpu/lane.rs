//! Four f32 in one register. In wasm these are SIMD instructions; elsewhere the compiler finds its
//! own.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::{self, v128};

/// Four f32.
#[derive(Clone, Copy)]
pub(super) struct Lane(
    #[cfg(target_arch = "wasm32")] v128,
    #[cfg(not(target_arch = "wasm32"))] [f32; 4],
);

#[cfg(target_arch = "wasm32")]
impl Lane {
    pub(super) const LEN: usize = 4;
    pub(super) const ZERO: Self = Self(wasm32::f32x4(0.0, 0.0, 0.0, 0.0));

    /// The `index`th four of an array.
    #[inline(always)]
    pub(super) fn load<const N: usize>(values: &[f32; N], index: usize) -> Self {
        let at = 4 * index;
        Self(wasm32::f32x4(values[at], values[at + 1], values[at + 2], values[at + 3]))
    }

    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self(wasm32::f32x4_splat(value))
    }

    /// `self · by + to`; rounded once with the feature `relaxed-simd`, twice without. Whoever calls
    /// this must enable the instruction likewise, or it becomes a function call.
    #[inline]
    #[cfg_attr(feature = "relaxed-simd", target_feature(enable = "relaxed-simd"))]
    pub(super) fn mul_add(self, by: Self, to: Self) -> Self {
        #[cfg(feature = "relaxed-simd")]
        return Self(wasm32::f32x4_relaxed_madd(self.0, by.0, to.0));
        #[cfg(not(feature = "relaxed-simd"))]
        return Self(wasm32::f32x4_add(wasm32::f32x4_mul(self.0, by.0), to.0));
    }

    #[inline(always)]
    pub(super) fn store<const N: usize>(self, values: &mut [f32; N], index: usize) {
        let at = 4 * index;
        values[at] = wasm32::f32x4_extract_lane::<0>(self.0);
        values[at + 1] = wasm32::f32x4_extract_lane::<1>(self.0);
        values[at + 2] = wasm32::f32x4_extract_lane::<2>(self.0);
        values[at + 3] = wasm32::f32x4_extract_lane::<3>(self.0);
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Lane {
    pub(super) const LEN: usize = 4;
    pub(super) const ZERO: Self = Self([0.0; 4]);

    /// The `index`th four of an array.
    #[inline(always)]
    pub(super) fn load<const N: usize>(values: &[f32; N], index: usize) -> Self {
        Self(std::array::from_fn(|i| values[4 * index + i]))
    }

    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    /// `self · by + to`
    #[inline(always)]
    pub(super) fn mul_add(self, by: Self, to: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * by.0[i] + to.0[i]))
    }

    #[inline(always)]
    pub(super) fn store<const N: usize>(self, values: &mut [f32; N], index: usize) {
        values[4 * index..][..4].copy_from_slice(&self.0);
    }
}
