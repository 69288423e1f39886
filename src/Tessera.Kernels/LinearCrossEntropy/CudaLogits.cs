using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// Logits of a chunk of tokens in a card's scratch, and the products around them, for the operations on a head. Rows are f32, so that
/// bf16 costs a loss no precision, and padded to 16 bytes in bf16; a gradient takes a row's place, in bf16 from the row's start on.
/// </summary>
internal readonly unsafe struct CudaLogits
{
    /// <summary>Value of GRADIENT in the kernels where none is wanted; else the number of its type.</summary>
    public const int NoGradient = 2;

    // Elements of bf16 in 16 bytes: rows begin where a kernel's widest loads may.
    private const int RowElements = 8;

    private readonly CudaDevice _cuda;
    private readonly float* _logits;
    private readonly int _vocabulary;

    /// <summary>Takes the memory; the caller marks and releases the scratch.</summary>
    /// <param name="cuda">The card.</param>
    /// <param name="tokens">Most tokens of a chunk.</param>
    /// <param name="vocabulary">Entries of the vocabulary.</param>
    public CudaLogits(CudaDevice cuda, int tokens, int vocabulary)
    {
        _cuda = cuda;
        _vocabulary = vocabulary;
        Stride = StrideOf(vocabulary);
        _logits = cuda.Scratch.Floats(tokens * Stride);
    }

    /// <summary>Floats from one row to the next.</summary>
    public long Stride { get; }

    /// <summary>The first row.</summary>
    public nint Address => (nint)_logits;

    /// <summary>Tokens of a chunk where as many buffers as <paramref name="buffers"/> share a budget.</summary>
    public static int ChunkTokens(int tokens, int vocabulary, int buffers, long budgetBytes) =>
        Math.Min(LinearCrossEntropy.ChunkTokens((int)StrideOf(vocabulary), buffers, budgetBytes), tokens);

    /// <summary>
    /// GRADIENT of a kernel: bf16 where both products behind the gradient then have operands of one type, which the tensor cores
    /// multiply.
    /// </summary>
    public static int GradientOf(Elements hidden, in MatrixView head, Elements gradHidden, Elements gradHead) =>
        !gradHidden.Exists && !gradHead.Exists ? NoGradient
        : hidden.Type == DType.BF16 && head.Type == DType.BF16 ? (int)DType.BF16
        : (int)DType.F32;

    /// <summary>Threads of the block that has a row.</summary>
    public static int ThreadsOf(int vocabulary) => vocabulary switch
    {
        >= 1 << 14 => 1024,
        >= 1 << 11 => 512,
        _ => 128,
    };

    /// <summary>Rows first, first + 1, … = input·headᵀ.</summary>
    public void Multiply(in MatrixView input, in MatrixView head) => Linear.Forward(
        _cuda, new Elements(input.Address, input.Type), input.Stride, head with { Rows = _vocabulary }, _logits, Stride, input.Rows,
        accumulate: false);

    /// <summary>The two products behind the gradient that replaced the logits.</summary>
    /// <param name="gradient">GRADIENT of the kernel that did it.</param>
    /// <param name="input">[tokens, width], the chunk's hidden states.</param>
    /// <param name="head">[vocabulary, width].</param>
    /// <param name="gradHidden">[tokens, width], or nothing.</param>
    /// <param name="accumulateGradHidden">Add to it instead of assigning it.</param>
    /// <param name="gradHead">[vocabulary, width], accumulated, or nothing.</param>
    public void Gradients(
        int gradient, in MatrixView input, in MatrixView head, Elements gradHidden, bool accumulateGradHidden, Elements gradHead)
    {
        int width = input.Columns;
        var type = (DType)gradient;
        var rows = new MatrixView(
            (nint)_logits, type, input.Rows, _vocabulary, type == DType.BF16 ? 2 * Stride : Stride);
        if (gradHidden.Exists)
        {
            Gemm.Multiply(_cuda, rows, false, head, false, gradHidden, width, input.Rows, width, _vocabulary, accumulateGradHidden);
        }

        if (gradHead.Exists)
        {
            Gemm.Multiply(_cuda, rows, true, input, false, gradHead, width, _vocabulary, width, input.Rows, true);
        }
    }

    private static long StrideOf(int vocabulary) => ((long)vocabulary + RowElements - 1) / RowElements * RowElements;
}
