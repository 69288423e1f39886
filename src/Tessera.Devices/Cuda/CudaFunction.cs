using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>A compiled variant of a kernel, loaded on a card.</summary>
public sealed class CudaFunction
{
    /// <summary>Shared memory that needs no permission: what the code declares and what a launch adds together.</summary>
    private const int UsualSharedBytes = 48 << 10;

    /// <summary>Share of a multiprocessor's first-level cache, in percent, that is enough shared memory for kernels that read through it.</summary>
    private const int LeastSharedPercent = 14;

    private readonly CudaContext _context;
    private readonly string _name;
    private int _allowedShared;

    internal CudaFunction(CudaContext context, nint handle, string name)
    {
        _context = context;
        _name = name;
        Handle = handle;
        Registers = Read(CudaFunctionAttribute.NumRegs);
        LocalBytes = Read(CudaFunctionAttribute.LocalSizeBytes);
        SharedBytes = Read(CudaFunctionAttribute.SharedSizeBytes);
        _allowedShared = UsualSharedBytes - SharedBytes;
    }

    /// <summary>Registers of a thread.</summary>
    public int Registers { get; }

    /// <summary>Bytes of a thread that did not fit into registers and lie in memory.</summary>
    public int LocalBytes { get; }

    /// <summary>Shared memory of a block that the code declares, beside what a launch adds.</summary>
    public int SharedBytes { get; }

    /// <summary>The driver's handle.</summary>
    internal nint Handle { get; }

    /// <summary>Blocks that fit on a multiprocessor at once.</summary>
    public int BlocksPerMultiprocessor(int threads, int sharedBytes)
    {
        _context.MakeCurrent();
        AllowShared(sharedBytes);
        _context.Check(
            CudaDriver.OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, Handle, threads, (nuint)sharedBytes),
            "cuOccupancyMaxActiveBlocksPerMultiprocessor", _name);
        return blocks;
    }

    /// <summary>Permits launches with this much dynamic shared memory.</summary>
    internal void AllowShared(int bytes)
    {
        if (bytes > _allowedShared)
        {
            _context.Check(
                CudaDriver.FuncSetAttribute(Handle, CudaFunctionAttribute.MaxDynamicSharedSizeBytes, bytes), "cuFuncSetAttribute",
                $"{_name} with {bytes:N0} shared bytes, of which a block can have {_context.Card.SharedBytes:N0} in all");
            _allowedShared = bytes;
        }
    }

    /// <summary>
    /// Asks for most of a multiprocessor's memory as first-level cache. Without, the division stays as the kernel before has left it, and
    /// one that wanted much shared memory would leave too little room for the loads that are under way.
    /// </summary>
    internal void PreferCache() => _context.Check(
        CudaDriver.FuncSetAttribute(Handle, CudaFunctionAttribute.PreferredSharedMemoryCarveout, LeastSharedPercent), "cuFuncSetAttribute", _name);

    private int Read(CudaFunctionAttribute attribute)
    {
        _context.Check(CudaDriver.FuncGetAttribute(out int value, attribute, Handle), "cuFuncGetAttribute", _name);
        return value;
    }
}
