using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Linear layers Y = X·Wᵀ with a weight [outputs, inputs] as it lies in a checkpoint, and their gradients.</summary>
public static unsafe partial class Linear
{
    /// <summary>Applies a weight to tokens.</summary>
    /// <remarks>
    /// Y[t,o] = (accumulate ? Y[t,o] : 0) + Σ_i X[t,i] · W[o,i].
    /// Shapes: input [tokens, weight.Columns], weight [outputs, inputs], output [tokens, weight.Rows]; strides in elements.
    /// Types: weight f32 or bf16, the rest f32, on a card each of them f32 or bf16 (rounded once at the store, see also
    /// <see cref="Gemm.Multiply"/>); a weight of int8 or int4 groups goes to <see cref="QuantizedLinear.Forward"/>,
    /// one of fp8 to <see cref="Fp8Linear.Forward"/>.
    /// Aliasing: output must not overlap input.
    /// Error: relative L2 to Reference at most 1e-6, on a card 5e-6 where tokens and weight are bf16.
    /// Determinism: bitwise, independent of the number of threads and, among up to <see cref="StreamingTokens"/> tokens and
    /// among more than those, of the other tokens; with <paramref name="invariant"/>, of the number of tokens altogether.
    /// On a card: among up to <see cref="CudaFewTokens"/> tokens independent of the others; more go to the library, whose
    /// order may depend on their number; with <paramref name="invariant"/> independent of it altogether, by kernels that sum the
    /// columns in one order for any number of tokens.
    /// Cost: 2 · tokens · outputs · inputs FLOP; few tokens are bound by reading the weight once.
    /// </remarks>
    /// <param name="device">Where to run.</param>
    /// <param name="input">[tokens, weight.Columns].</param>
    /// <param name="inputStride">Elements from one input row to the next.</param>
    /// <param name="weight">[outputs, inputs].</param>
    /// <param name="output">[tokens, weight.Rows].</param>
    /// <param name="outputStride">Elements from one output row to the next.</param>
    /// <param name="tokens">Rows of input and output.</param>
    /// <param name="accumulate">Whether the product is added to the output or replaces it.</param>
    /// <param name="invariant">
    /// Whether few tokens, too, go through <see cref="Gemm"/>, which sums in the same order for any number of them. That costs
    /// them the time of packing the weight where <paramref name="packed"/> does not spare it. On a card many tokens pay for it:
    /// a third of the library's speed in bf16, half in f32.
    /// </param>
    /// <param name="packed">The same weight from <see cref="Gemm.PackRight"/>, transposed, or nothing. It changes no bit.</param>
    /// <exception cref="ArgumentException">A stride is below its row or the weight is of integers without groups.</exception>
    public static void Forward(
        Device device,
        Elements input,
        long inputStride,
        in MatrixView weight,
        Elements output,
        long outputStride,
        int tokens,
        bool accumulate,
        bool invariant = false,
        in PackedMatrix packed = default)
    {
        CheckStride(inputStride, weight.Columns, tokens, "input");
        CheckStride(outputStride, weight.Rows, tokens, "output");
        if (weight.Type.IsGrouped())
        {
            QuantizedLinear.Forward(device, input, inputStride, weight, output, outputStride, tokens, accumulate);
            return;
        }

        if (weight.Type == DType.FP8)
        {
            Fp8Linear.Forward(device, input, inputStride, weight, output, outputStride, tokens, accumulate, invariant);
            return;
        }

        if (device is CudaDevice cuda)
        {
            ForwardCuda(cuda, input, inputStride, weight, output, outputStride, tokens, accumulate, invariant);
            return;
        }

        if (!ReadsPacked(tokens, invariant) && tokens > 0 && weight.Rows > 0 && weight.Columns > 0)
        {
            using var scope = CpuDevice.Enter(device);
            Stream(scope.Processor, input.Floats, inputStride, weight, output.Floats, outputStride, tokens, accumulate);
            return;
        }

        var x = new MatrixView((nint)input.Floats, DType.F32, tokens, weight.Columns, inputStride);
        if (packed.Exists)
        {
            CheckPacked(packed, weight);
            Gemm.MultiplyPacked(device, x, packed, output, outputStride, tokens, accumulate);
            return;
        }

        Gemm.Multiply(device, x, false, weight, true, output, outputStride, tokens, weight.Rows, weight.Columns, accumulate);
    }

    /// <summary>Whether <see cref="Forward"/> would read a packed form of its weight for this many tokens, where there is one.</summary>
    public static bool ReadsPacked(int tokens, bool invariant) => invariant || tokens > StreamingTokens;

    /// <summary>The gradient with respect to the input: dX = dY·W.</summary>
    /// <remarks>
    /// dX[t,i] = (accumulate ? dX[t,i] : 0) + Σ_o dY[t,o] · W[o,i].
    /// Shapes: gradOutput [tokens, weight.Rows], gradInput [tokens, weight.Columns]; strides in elements.
    /// Determinism and error: as <see cref="Gemm.Multiply"/>.
    /// </remarks>
    /// <exception cref="ArgumentException">A stride is below its row or the weight is neither f32 nor bf16.</exception>
    public static void BackwardInput(
        Device device,
        Elements gradOutput,
        long gradOutputStride,
        in MatrixView weight,
        Elements gradInput,
        long gradInputStride,
        int tokens,
        bool accumulate)
    {
        CheckStride(gradOutputStride, weight.Rows, tokens, "gradOutput");
        CheckStride(gradInputStride, weight.Columns, tokens, "gradInput");
        if (weight.Type.HasScales())
        {
            throw new ArgumentException($"linear weight: {weight.Type.Label()} is for inference, there are no gradients through it", nameof(weight));
        }

        var dy = new MatrixView(gradOutput.Address, gradOutput.Type, tokens, weight.Rows, gradOutputStride);
        Gemm.Multiply(
            device, dy, false, weight, false, gradInput, gradInputStride, tokens, weight.Columns, weight.Rows, accumulate);
    }

    /// <summary>The gradient with respect to the weight: dW += dYᵀ·X.</summary>
    /// <remarks>
    /// dW[o,i] = (accumulate ? dW[o,i] : 0) + Σ_t dY[t,o] · X[t,i].
    /// Shapes: input [tokens, inputs], gradOutput [tokens, outputs] with strides in elements; gradWeight dense [outputs, inputs].
    /// Determinism and error: as <see cref="Gemm.Multiply"/>.
    /// </remarks>
    /// <exception cref="ArgumentException">A stride is below its row.</exception>
    public static void BackwardWeight(
        Device device,
        Elements input,
        long inputStride,
        Elements gradOutput,
        long gradOutputStride,
        Elements gradWeight,
        int tokens,
        int outputs,
        int inputs,
        bool accumulate = true)
    {
        CheckStride(inputStride, inputs, tokens, "input");
        CheckStride(gradOutputStride, outputs, tokens, "gradOutput");
        var dy = new MatrixView(gradOutput.Address, gradOutput.Type, tokens, outputs, gradOutputStride);
        var x = new MatrixView(input.Address, input.Type, tokens, inputs, inputStride);
        Gemm.Multiply(device, dy, true, x, false, gradWeight, inputs, outputs, inputs, tokens, accumulate);
    }

    private static void CheckPacked(in PackedMatrix packed, in MatrixView weight)
    {
        if (packed.Columns != weight.Rows || packed.Sums != weight.Columns)
        {
            throw new ArgumentException(
                $"linear packed: it is of a weight [{packed.Columns}, {packed.Sums}], not [{weight.Rows}, {weight.Columns}]", nameof(packed));
        }
    }

    internal static void CheckStride(long stride, int columns, int tokens, string name)
    {
        if (tokens > 1 && stride < columns)
        {
            throw new ArgumentException($"linear {name}: a stride of {stride} is below its {columns} columns", name);
        }
    }
}
