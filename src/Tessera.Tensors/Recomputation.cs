namespace Tessera.Tensors;

/// <summary>What a tape keeps of a forward, and what it computes again for the backward. Results have the same bits.</summary>
public enum RecomputeLevel
{
    /// <summary>Everything is kept.</summary>
    None,

    /// <summary>
    /// Outputs of norms and of SwiGLU are computed again from what is kept: two row kernels a half, no product
    /// (selective recomputation, Korthikanti et al. 2022).
    /// </summary>
    Selective,

    /// <summary>Of every layer only the input is kept; the backward runs the layer again (Chen et al. 2016): a forward more.</summary>
    Full,
}

/// <summary>A part of a forward that a tape can run again: the same input gives the same bits.</summary>
public interface IRecomputable
{
    /// <summary>Runs the part.</summary>
    /// <param name="executor">Runs and, in the backward, records.</param>
    /// <param name="input">Input of the part.</param>
    /// <param name="index">Which of several parts it is.</param>
    /// <param name="destination">Where the output goes, if it exists.</param>
    Tensor Run(Executor executor, Tensor input, int index, Tensor destination);
}
