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
    Checkpoint,
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
    public Tensor NormInput;

    /// <summary>Inverse root mean squares of those norms.</summary>
    public nint InverseRms;

    /// <summary>Saved statistics: inverse RMS or log-sum-exp, or token ids of an embedding, or positions of a rotation.</summary>
    public nint Saved;

    /// <summary>Segments of an attention.</summary>
    public nint Segments;

    /// <summary>What the host knows of them.</summary>
    public AttentionBounds Bounds;

    /// <summary>Heads to rotate, or the number of a part to be run again.</summary>
    public int Count;

    /// <summary>Heads of an attention or a rotation.</summary>
    public AttentionShape Shape;

    /// <summary>Angles of a rotation.</summary>
    public RopeTable? Table;

    /// <summary>Added to the mean square by a norm.</summary>
    public float Epsilon;

    /// <summary>What a checkpoint stands for.</summary>
    public IRecomputable? Part;

    /// <summary>Who runs it again.</summary>
    public Executor? Executor;

    /// <summary>For instance <c>linear 768x2048 forward</c>.</summary>
    public readonly string Describe(string phase) => Kind switch
    {
        OperationKind.Linear => $"linear {Weight!.Rows}x{Weight.Columns} {phase}",
        OperationKind.RmsNorm or OperationKind.AddRmsNorm => $"rmsnorm {phase}",
        OperationKind.SwiGlu => $"swiglu {phase}",
        _ => $"{Kind.ToString().ToLowerInvariant()} {phase}",
    };
}
