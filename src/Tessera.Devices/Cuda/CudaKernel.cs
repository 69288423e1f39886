using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>A kernel: an entry point of device code, and the names of the numbers that it is specialised by.</summary>
/// <remarks>
/// The code is an embedded resource of the assembly that declares <typeparamref name="TArguments"/>. A variant is compiled for the card
/// when it is first launched, and kept on disk. The entry point takes the arguments as its only parameter:
/// <c>extern "C" __global__ void entry(const __grid_constant__ Arguments a)</c>, with the fields of the C# struct in
/// the same order and of the same sizes; where the driver can tell, a difference in size is an error.
/// </remarks>
/// <typeparam name="TArguments">What the kernel is given: pointers, then longs, then ints and floats.</typeparam>
public sealed unsafe class CudaKernel<TArguments> : CudaKernelSource
    where TArguments : unmanaged
{
    /// <summary>An entry point of <paramref name="file"/>.</summary>
    /// <param name="file">Name of the source without a folder, such as <c>Residual.cu</c>.</param>
    /// <param name="entry">The function.</param>
    /// <param name="defines">Names that a variant gives numbers to.</param>
    public CudaKernel(string file, string entry, params string[] defines)
        : base(typeof(TArguments).Assembly, file, entry, defines)
    {
    }

    /// <summary>Puts the kernel into the device's stream. Nothing happens for an empty grid, and on a device that plans.</summary>
    /// <param name="cuda">Where to run.</param>
    /// <param name="variant">Values of the defines.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="threads">Threads of a block.</param>
    /// <param name="sharedBytes">Dynamic shared memory of a block.</param>
    /// <param name="arguments">What the kernel is given; copied.</param>
    /// <exception cref="CudaException">It does not compile, or cannot be launched like this.</exception>
    public void Launch(
        CudaDevice cuda, in KernelVariant variant, CudaExtent grid, CudaExtent threads, int sharedBytes, in TArguments arguments)
    {
        if (cuda.IsPlanning || grid.IsEmpty)
        {
            return;
        }

        CudaContext context = cuda.Context;
        context.MakeCurrent();
        CudaFunction function = Prepare(cuda, variant);
        function.AllowShared(sharedBytes);
        fixed (TArguments* first = &arguments)
        {
            void* parameter = first;
            var early = new CudaLaunchAttribute { Id = CudaLaunchAttribute.ProgrammaticStreamSerialization, X = 1 };
            var configuration = new CudaLaunchConfig
            {
                GridX = (uint)grid.X,
                GridY = (uint)grid.Y,
                GridZ = (uint)grid.Z,
                BlockX = (uint)threads.X,
                BlockY = (uint)threads.Y,
                BlockZ = (uint)threads.Z,
                SharedBytes = (uint)sharedBytes,
                Stream = cuda.Stream.Handle,
                Attributes = &early,
                AttributeCount = StartsEarly && context.Card.StartsKernelsEarly ? 1u : 0u,
            };
            CudaStatus status = CudaDriver.LaunchKernelEx(&configuration, function.Handle, &parameter, null);
            if (status != CudaStatus.Success)
            {
                context.Check(status, "cuLaunchKernelEx", Describe(variant, grid, threads, sharedBytes));
            }
        }

        if (CudaKernels.WaitsAfterEach && !cuda.Stream.IsCapturing)
        {
            context.Check(
                CudaDriver.StreamSynchronize(cuda.Stream.Handle), "cuStreamSynchronize", Describe(variant, grid, threads, sharedBytes));
        }
    }

    /// <summary>Compiles and loads a variant, if that has not happened yet.</summary>
    /// <exception cref="CudaException">It does not compile; the message holds the compiler's log.</exception>
    public CudaFunction Prepare(CudaDevice cuda, in KernelVariant variant) =>
        cuda.Kernels.Find(this, variant) ?? cuda.Kernels.Load(this, variant, sizeof(TArguments));
}
