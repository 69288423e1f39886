using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Rotary position embedding of the leading heads of packed rows, in place.</summary>
/// <remarks>
/// Half-split convention: with a = x[j], b = x[j + E/2] and angle θ = position·f_j: a' = a·cos θ − b·sin θ, b' = b·cos θ + a·sin θ.
/// The backward is the rotation by −θ. Shapes: qkv [tokens, stride], positions [tokens].
/// Types: f32 on the processor; on a card qkv is f32 or bf16; f32 arithmetic, one rounding at the store.
/// On a card positions are not looked at by the host: a row whose position the table does not cover stays as it is.
/// Error: relative L2 2e-7 at most. Determinism: bitwise; every pair is rotated on its own.
/// Cost: 8 bytes and 3 FLOPs per element.
/// Source: Su et al. 2021.
/// </remarks>
public static unsafe partial class Rope
{
    /// <summary>Elements below which waking the workers costs more than they save.</summary>
    private const long ElementsOfOneThread = 65_536;

    /// <summary>Rotates the first <paramref name="headsToRotate"/> heads of every row by its position.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="qkv">Packed rows, changed in place.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="headsToRotate">Leading heads to rotate: H + K of a packed projection.</param>
    /// <param name="headDim">Elements E of one head; the table's.</param>
    /// <param name="positions">Position of every row, within the table.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="table">Cosines and sines.</param>
    /// <exception cref="ArgumentException">Sizes do not fit, or a position is not covered by the table.</exception>
    public static void Forward(
        Device device, Elements qkv, long stride, int headsToRotate, int headDim, int* positions, int tokens, RopeTable table) =>
        Rotate(device, qkv, stride, headsToRotate, headDim, positions, tokens, table, 1f);

    /// <summary>Turns gradients of rotated heads into gradients of unrotated ones, in place: the rotation by −θ.</summary>
    /// <inheritdoc cref="Forward" />
    public static void Backward(
        Device device, Elements qkv, long stride, int headsToRotate, int headDim, int* positions, int tokens, RopeTable table) =>
        Rotate(device, qkv, stride, headsToRotate, headDim, positions, tokens, table, -1f);

    /// <summary>Refuses positions that the table does not cover.</summary>
    internal static void CheckPositions(CpuDevice cpu, int* positions, int tokens, RopeTable table)
    {
        for (int t = 0; t < tokens && !cpu.IsPlanning; t++)
        {
            if ((uint)positions[t] >= (uint)table.Positions)
            {
                throw new ArgumentException(
                    $"rope: row {t} has position {positions[t]}, the table covers {table.Positions}", nameof(positions));
            }
        }
    }

    private static void Rotate(
        Device device, Elements qkv, long stride, int heads, int headDim, int* positions, int tokens, RopeTable table, float direction)
    {
        if (headDim != table.HeadDim)
        {
            throw new ArgumentException($"rope: heads of {headDim} elements with a table for {table.HeadDim}", nameof(headDim));
        }

        if (heads < 0 || tokens < 0 || stride < (long)heads * headDim)
        {
            throw new ArgumentException($"rope: {heads} heads of {headDim} elements in {tokens} rows of stride {stride}");
        }

        if (device is CudaDevice cuda)
        {
            RotateCuda(cuda, qkv, stride, heads, headDim / 2, positions, tokens, table, direction);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        CheckPositions(scope.Processor, positions, tokens, table);
        var call = new RotateCall
        {
            Rows = qkv.Floats,
            Stride = stride,
            Heads = heads,
            Half = headDim / 2,
            Positions = positions,
            Tokens = tokens,
            Cosines = table.Cosines,
            Sines = table.Sines,
            Direction = direction,
        };
        if ((long)tokens * heads * headDim < ElementsOfOneThread && !device.IsPlanning)
        {
            RotateWorker(&call, 0, 1);
        }
        else
        {
            scope.Processor.Workers.Run(&RotateWorker, &call);
        }
    }

    private struct RotateCall
    {
        public float* Rows;
        public long Stride;
        public int Heads;
        public int Half;
        public int* Positions;
        public int Tokens;
        public float* Cosines;
        public float* Sines;
        public float Direction;
    }
}
