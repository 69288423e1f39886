using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>The kernels that were compiled and loaded on a card in this process.</summary>
internal sealed unsafe class CudaKernels : IDisposable
{
    /// <summary>From this driver on a kernel's parameters can be asked for their size.</summary>
    private const int ParameterInfoDriver = 12_040;

    private readonly CudaContext _context;
    private readonly Dictionary<(int Kernel, KernelVariant Variant), CudaFunction> _functions = [];
    private readonly Dictionary<string, nint> _modules = [];
    private readonly KernelCompiler _compiler;
    private readonly bool _tellsParameters;

    public CudaKernels(CudaContext context, KernelCompiler compiler)
    {
        _context = context;
        _compiler = compiler;
        _tellsParameters = CudaCard.DriverVersion() >= ParameterInfoDriver;
    }

    /// <summary>Whether to wait after every launch, so that an error names its kernel: TESSERA_CUDA_SYNC=1.</summary>
    public static bool WaitsAfterEach { get; } = Environment.GetEnvironmentVariable("TESSERA_CUDA_SYNC") == "1";

    /// <summary>A variant that was loaded before, else null.</summary>
    public CudaFunction? Find(CudaKernelSource kernel, in KernelVariant variant) =>
        _functions.TryGetValue((kernel.Number, variant), out CudaFunction? function) ? function : null;

    /// <summary>Compiles a variant, or takes it from disk, and loads it.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="variant">Values of its defines.</param>
    /// <param name="argumentBytes">Size of the arguments as C# lays them out.</param>
    /// <exception cref="CudaException">It does not compile; or the arguments have another size in the code.</exception>
    public CudaFunction Load(CudaKernelSource kernel, in KernelVariant variant, int argumentBytes)
    {
        _context.MakeCurrent();
        string name = kernel.Describe(variant);
        KernelSourceText source = KernelSourceText.Of(kernel, variant);
        nint module = Module(source, name);
        _context.Check(CudaDriver.ModuleGetFunction(out nint handle, module, kernel.Entry), "cuModuleGetFunction", $"{name} in {kernel.File}");
        if (_tellsParameters)
        {
            _context.Check(CudaDriver.FuncGetParamInfo(handle, 0, out _, out nuint bytes), "cuFuncGetParamInfo", name);
            if ((long)bytes != argumentBytes)
            {
                throw new CudaException(
                    "cuFuncGetParamInfo", 0, $"the arguments of {name} have {argumentBytes} bytes in C# and {bytes} in {kernel.File}");
            }
        }

        var function = new CudaFunction(_context, handle, name);
        if (kernel.ReadsThroughCache)
        {
            function.PreferCache();
        }

        _compiler.Describe(source, name, function);
        _functions.Add((kernel.Number, variant), function);
        return function;
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (nint module in _modules.Values)
        {
            _ = CudaDriver.ModuleUnload(module);
        }

        _modules.Clear();
        _functions.Clear();
    }

    private nint Module(KernelSourceText source, string name)
    {
        string key = _compiler.KeyOf(source);
        if (_modules.TryGetValue(key, out nint module))
        {
            return module;
        }

        CudaStatus status = Load(_compiler.Image(source), out module);
        if (status is CudaStatus.InvalidImage or CudaStatus.NoBinaryForGpu)
        {
            // Of another card, or of a driver that wants another form: compile again and replace it.
            status = Load(_compiler.Compile(source), out module);
        }

        _context.Check(status, "cuModuleLoadData", name);
        _modules.Add(key, module);
        return module;
    }

    private static CudaStatus Load(byte[] image, out nint module)
    {
        fixed (byte* first = image)
        {
            return CudaDriver.ModuleLoadData(out module, first);
        }
    }
}
