using Tessera.Kernels;

namespace Tessera.Tensors;

/// <summary>Which operation a tape record stands for.</summary>
internal enum OperationKind
{
    Embed,
    RmsNorm,
    AddRmsNorm,
    Linear,
    Bias,
    Rope,
    QkvEpilogue,
    Attention,
    SwiGlu,
    Add,
}

/// <summary>What the backward of one operation needs. Fields an operation does not use stay empty.</summary>
internal struct OperationRecord
{
    /// <summary>The operation.</summary>
    public OperationKind Kind;

    /// <summary>First input.</summary>
    public Tensor Input;

    /// <summary>Second input.</summary>
    public Tensor Second;

    /// <summary>First output.</summary>
    public Tensor Output;

    /// <summary>Second output (the updated residual of <see cref="OperationKind.AddRmsNorm"/>).</summary>
    public Tensor SecondOutput;

    /// <summary>The weight.</summary>
    public Parameter? Weight;

    /// <summary>Weights of a <see cref="OperationKind.QkvEpilogue"/>.</summary>
    public QkvParameters? Qkv;

    /// <summary>Input of the norms of a <see cref="OperationKind.QkvEpilogue"/>, if it has them.</summary>
    public nint NormInput;

    /// <summary>Inverse root mean squares of those norms.</summary>
    public nint InverseRms;

    /// <summary>Saved statistics: inverse RMS or log-sum-exp, or token ids of an embedding, or positions of a rotation.</summary>
    public nint Saved;

    /// <summary>Segments of an attention.</summary>
    public nint Segments;

    /// <summary>Number of segments, or heads to rotate.</summary>
    public int Count;

    /// <summary>Heads of an attention or a rotation.</summary>
    public AttentionShape Shape;

    /// <summary>Angles of a rotation.</summary>
    public RopeTable? Table;
}
