using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>What is applied to a packed query-key-value projection; parts that a layer does not have are null.</summary>
public struct QkvWeights
{
    /// <summary>Bias of all query, key and value heads, [(H + 2K)·E], or null.</summary>
    public Elements Bias;

    /// <summary>Gain of the norm of every query head, [E], or null. Both gains are there or none.</summary>
    public Elements QueryGain;

    /// <summary>Gain of the norm of every key head, [E], or null.</summary>
    public Elements KeyGain;

    /// <summary>Added to the mean square of a head.</summary>
    public float Epsilon;
}
