namespace Tessera.Interop;

/// <summary>Results of the CUDA driver that this program tells apart (cuda.h, CUresult); others appear by number and name.</summary>
public enum CudaStatus
{
    /// <summary>No error.</summary>
    Success = 0,

    /// <summary>An argument is out of its range.</summary>
    InvalidValue = 1,

    /// <summary>The card has not enough free memory.</summary>
    OutOfMemory = 2,

    /// <summary>There is no card that the driver can use.</summary>
    NoDevice = 100,

    /// <summary>The image holds no code for this card.</summary>
    NoBinaryForGpu = 209,

    /// <summary>The image is damaged.</summary>
    InvalidImage = 200,

    /// <summary>An event or stream has work that is not finished.</summary>
    NotReady = 600,

    /// <summary>A graph differs too much from the executable one that was to be updated.</summary>
    GraphExecUpdateFailure = 910,
}
