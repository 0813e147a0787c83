//! A foreign device: takes the place of candle's `dummy_cuda_backend.rs` (see `run`), so that `Device::Cuda` is there without
//! hardware. Its numbers lie in a storage of its own that nobody can read in place, it has no fused kernels (a custom operation
//! without `cuda_fwd` is an error), and a tensor of the CPU beside one of it is candle's own error. It computes as candle's
//! CPU does, and counts every number that crosses.
#![allow(dead_code)]
use crate::backend::{BackendDevice, BackendStorage};
use crate::cpu_backend::CpuDevice;
use crate::op::{BinaryOpT, CmpOp, ReduceOp, UnaryOpT};
use crate::{CpuStorage, DType, Layout, Result, Shape};
use std::cell::Cell;

/// What crossed between this computer's memory and the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// Bytes onto the device.
    pub onto: usize,
    /// Bytes off the device.
    pub off: usize,
    /// The largest of each at once.
    pub largest_onto: usize,
    pub largest_off: usize,
    /// How often.
    pub times_onto: usize,
    pub times_off: usize,
}

thread_local! {
    static CROSSED: Cell<Crossed> = const {
        Cell::new(Crossed { onto: 0, off: 0, largest_onto: 0, largest_off: 0, times_onto: 0, times_off: 0 })
    };
}

/// What this thread moved since the last call.
pub fn crossed() -> Crossed {
    CROSSED.take()
}

fn bytes(storage: &CpuStorage) -> usize {
    fn of<T>(numbers: &[T]) -> usize {
        std::mem::size_of_val(numbers)
    }
    match storage {
        CpuStorage::U8(x) => of(x),
        CpuStorage::U32(x) => of(x),
        CpuStorage::I16(x) => of(x),
        CpuStorage::I32(x) => of(x),
        CpuStorage::I64(x) => of(x),
        CpuStorage::BF16(x) => of(x),
        CpuStorage::F16(x) => of(x),
        CpuStorage::F32(x) => of(x),
        CpuStorage::F64(x) => of(x),
        CpuStorage::F8E4M3(x) => of(x),
        CpuStorage::F6E2M3(x) => of(x),
        CpuStorage::F6E3M2(x) => of(x),
        CpuStorage::F4(x) => of(x),
        CpuStorage::F8E8M0(x) => of(x),
    }
}

fn onto(storage: CpuStorage) -> CudaStorage {
    let (mut all, size) = (CROSSED.get(), bytes(&storage));
    all.onto += size;
    all.times_onto += 1;
    all.largest_onto = all.largest_onto.max(size);
    CROSSED.set(all);
    CudaStorage(storage, CudaDevice)
}

#[derive(Debug, Clone)]
pub struct CudaDevice;

/// The numbers, which only operations of the device read.
#[derive(Debug)]
pub struct CudaStorage(CpuStorage, CudaDevice);

impl CudaStorage {
    pub fn transfer_to_device(&self, _: &CudaDevice) -> Result<Self> {
        made(Ok(self.0.clone()))
    }
}

fn made(storage: Result<CpuStorage>) -> Result<CudaStorage> {
    Ok(CudaStorage(storage?, CudaDevice))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId(usize);

impl CudaDevice {
    pub fn new_with_stream(_: usize) -> Result<Self> {
        Ok(CudaDevice)
    }
    pub fn id(&self) -> DeviceId {
        DeviceId(0)
    }
}

impl BackendStorage for CudaStorage {
    type Device = CudaDevice;

    fn try_clone(&self, l: &Layout) -> Result<Self> {
        made(self.0.try_clone(l))
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn device(&self) -> &Self::Device {
        &self.1
    }

    fn const_set(&mut self, value: crate::scalar::Scalar, l: &Layout) -> Result<()> {
        self.0.const_set(value, l)
    }

    fn to_cpu_storage(&self) -> Result<CpuStorage> {
        let (mut all, size) = (CROSSED.get(), bytes(&self.0));
        all.off += size;
        all.times_off += 1;
        all.largest_off = all.largest_off.max(size);
        CROSSED.set(all);
        Ok(self.0.clone())
    }

    fn affine(&self, l: &Layout, by: f64, plus: f64) -> Result<Self> {
        made(self.0.affine(l, by, plus))
    }

    fn powf(&self, l: &Layout, by: f64) -> Result<Self> {
        made(self.0.powf(l, by))
    }

    fn elu(&self, l: &Layout, alpha: f64) -> Result<Self> {
        made(self.0.elu(l, alpha))
    }

    fn reduce_op(&self, op: ReduceOp, l: &Layout, dims: &[usize]) -> Result<Self> {
        made(self.0.reduce_op(op, l, dims))
    }

    fn cmp(&self, op: CmpOp, other: &Self, l: &Layout, other_l: &Layout) -> Result<Self> {
        made(self.0.cmp(op, &other.0, l, other_l))
    }

    fn to_dtype(&self, l: &Layout, dtype: DType) -> Result<Self> {
        made(self.0.to_dtype(l, dtype))
    }

    fn unary_impl<B: UnaryOpT>(&self, l: &Layout) -> Result<Self> {
        made(self.0.unary_impl::<B>(l))
    }

    fn binary_impl<B: BinaryOpT>(&self, other: &Self, l: &Layout, other_l: &Layout) -> Result<Self> {
        made(self.0.binary_impl::<B>(&other.0, l, other_l))
    }

    fn where_cond(&self, l: &Layout, t: &Self, t_l: &Layout, f: &Self, f_l: &Layout) -> Result<Self> {
        made(self.0.where_cond(l, &t.0, t_l, &f.0, f_l))
    }

    fn conv1d(&self, l: &Layout, k: &Self, k_l: &Layout, params: &crate::conv::ParamsConv1D) -> Result<Self> {
        made(self.0.conv1d(l, &k.0, k_l, params))
    }

    fn conv_transpose1d(
        &self,
        l: &Layout,
        k: &Self,
        k_l: &Layout,
        params: &crate::conv::ParamsConvTranspose1D,
    ) -> Result<Self> {
        made(self.0.conv_transpose1d(l, &k.0, k_l, params))
    }

    fn conv2d(&self, l: &Layout, k: &Self, k_l: &Layout, params: &crate::conv::ParamsConv2D) -> Result<Self> {
        made(self.0.conv2d(l, &k.0, k_l, params))
    }

    fn conv_transpose2d(
        &self,
        l: &Layout,
        k: &Self,
        k_l: &Layout,
        params: &crate::conv::ParamsConvTranspose2D,
    ) -> Result<Self> {
        made(self.0.conv_transpose2d(l, &k.0, k_l, params))
    }

    fn index_select(&self, ids: &Self, l: &Layout, ids_l: &Layout, dim: usize) -> Result<Self> {
        made(self.0.index_select(&ids.0, l, ids_l, dim))
    }

    fn gather(&self, l: &Layout, ids: &Self, ids_l: &Layout, dim: usize) -> Result<Self> {
        made(self.0.gather(l, &ids.0, ids_l, dim))
    }

    fn scatter_set(
        &mut self,
        l: &Layout,
        ids: &Self,
        ids_l: &Layout,
        from: &Self,
        from_l: &Layout,
        dim: usize,
    ) -> Result<()> {
        self.0.scatter_set(l, &ids.0, ids_l, &from.0, from_l, dim)
    }

    fn scatter_add_set(
        &mut self,
        l: &Layout,
        ids: &Self,
        ids_l: &Layout,
        from: &Self,
        from_l: &Layout,
        dim: usize,
    ) -> Result<()> {
        self.0.scatter_add_set(l, &ids.0, ids_l, &from.0, from_l, dim)
    }

    fn index_add(
        &self,
        l: &Layout,
        ids: &Self,
        ids_l: &Layout,
        from: &Self,
        from_l: &Layout,
        dim: usize,
    ) -> Result<Self> {
        made(self.0.index_add(l, &ids.0, ids_l, &from.0, from_l, dim))
    }

    fn matmul(&self, other: &Self, bmnk: (usize, usize, usize, usize), l: &Layout, other_l: &Layout) -> Result<Self> {
        made(self.0.matmul(&other.0, bmnk, l, other_l))
    }

    fn copy_strided_src(&self, to: &mut Self, offset: usize, l: &Layout) -> Result<()> {
        self.0.copy_strided_src(&mut to.0, offset, l)
    }

    fn copy2d(&self, to: &mut Self, d1: usize, d2: usize, s1: usize, s2: usize, o1: usize, o2: usize) -> Result<()> {
        self.0.copy2d(&mut to.0, d1, d2, s1, s2, o1, o2)
    }

    fn avg_pool2d(&self, l: &Layout, size: (usize, usize), stride: (usize, usize)) -> Result<Self> {
        made(self.0.avg_pool2d(l, size, stride))
    }

    fn max_pool2d(&self, l: &Layout, size: (usize, usize), stride: (usize, usize)) -> Result<Self> {
        made(self.0.max_pool2d(l, size, stride))
    }

    fn upsample_nearest1d(&self, l: &Layout, size: usize) -> Result<Self> {
        made(self.0.upsample_nearest1d(l, size))
    }

    fn upsample_nearest2d(&self, l: &Layout, h: usize, w: usize) -> Result<Self> {
        made(self.0.upsample_nearest2d(l, h, w))
    }

    fn upsample_bilinear2d(
        &self,
        l: &Layout,
        h: usize,
        w: usize,
        align: bool,
        scale_h: Option<f64>,
        scale_w: Option<f64>,
    ) -> Result<Self> {
        made(self.0.upsample_bilinear2d(l, h, w, align, scale_h, scale_w))
    }
}

impl BackendDevice for CudaDevice {
    type Storage = CudaStorage;

    fn new(ordinal: usize) -> Result<Self> {
        match ordinal {
            0 => Ok(CudaDevice),
            _ => crate::bail!("there is one foreign device, 0"),
        }
    }

    fn set_seed(&self, seed: u64) -> Result<()> {
        CpuDevice.set_seed(seed)
    }

    fn get_current_seed(&self) -> Result<u64> {
        CpuDevice.get_current_seed()
    }

    fn location(&self) -> crate::DeviceLocation {
        crate::DeviceLocation::Cuda { gpu_id: 0 }
    }

    fn same_device(&self, _: &Self) -> bool {
        true
    }

    fn zeros_impl(&self, shape: &Shape, dtype: DType) -> Result<Self::Storage> {
        made(CpuDevice.zeros_impl(shape, dtype))
    }

    unsafe fn alloc_uninit(&self, shape: &Shape, dtype: DType) -> Result<Self::Storage> {
        made(CpuDevice.zeros_impl(shape, dtype))
    }

    fn storage_from_slice<T: crate::WithDType>(&self, numbers: &[T]) -> Result<Self::Storage> {
        Ok(onto(CpuDevice.storage_from_slice(numbers)?))
    }

    fn storage_from_cpu_storage(&self, numbers: &CpuStorage) -> Result<Self::Storage> {
        Ok(onto(numbers.clone()))
    }

    fn storage_from_cpu_storage_owned(&self, numbers: CpuStorage) -> Result<Self::Storage> {
        Ok(onto(numbers))
    }

    fn rand_uniform(&self, shape: &Shape, dtype: DType, low: f64, high: f64) -> Result<Self::Storage> {
        made(CpuDevice.rand_uniform(shape, dtype, low, high))
    }

    fn rand_normal(&self, shape: &Shape, dtype: DType, mean: f64, std: f64) -> Result<Self::Storage> {
        made(CpuDevice.rand_normal(shape, dtype, mean, std))
    }

    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
}

pub fn gemm_reduced_precision_f16() -> bool {
    true
}

pub fn set_gemm_reduced_precision_f16(_: bool) {}

pub fn gemm_reduced_precision_bf16() -> bool {
    true
}

pub fn set_gemm_reduced_precision_bf16(_: bool) {}

pub fn gemm_reduced_precision_f32() -> bool {
    true
}

pub fn set_gemm_reduced_precision_f32(_: bool) {}
