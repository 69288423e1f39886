namespace Tessera.Interop;

/// <summary>A call of the CUDA driver, NVRTC or cuBLASLt that failed.</summary>
public sealed class CudaException : Exception
{
    /// <summary>A failure of <paramref name="call"/>.</summary>
    /// <param name="call">The C function.</param>
    /// <param name="status">What it returned.</param>
    /// <param name="message">One sentence: call, status, kernel and shape, free memory.</param>
    public CudaException(string call, int status, string message)
        : base(message)
    {
        Call = call;
        Status = status;
    }

    /// <summary>The C function that failed.</summary>
    public string Call { get; }

    /// <summary>What it returned, in the numbering of its library.</summary>
    public int Status { get; }
}
