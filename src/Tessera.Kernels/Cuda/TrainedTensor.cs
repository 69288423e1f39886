using System.Buffers;
using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>A tensor in the table that the optimiser's kernels read from device memory; the layout is that of <c>trained.cuh</c>.</summary>
internal unsafe struct TrainedTensor
{
    /// <summary>Elements that one block of threads works on.</summary>
    public const int ChunkElements = 8192;

    /// <summary>Neighbours that share one block of random numbers.</summary>
    private const int RandomElements = 8;

    public nint Parameter;
    public nint Working;
    public nint Gradient;
    public nint First;
    public nint Second;
    public long Count;
    public long FirstElement;
    public int FirstChunk;
    public int ParameterType;
    public int GradientType;
    public int MomentType;
    public float Decay;

    /// <summary>
    /// Brings a table to the device, after filling in where each tensor's chunks and random numbers begin: numbers
    /// go by a tensor's place in the table, not by its address.
    /// </summary>
    /// <param name="cuda">The device.</param>
    /// <param name="count">Tensors.</param>
    /// <param name="state">Handed to <paramref name="describe"/>.</param>
    /// <param name="describe">Gives tensor i all but these.</param>
    /// <param name="table">Where it shall lie, [count].</param>
    /// <returns>Blocks of threads that all tensors take together.</returns>
    /// <typeparam name="TState">Holds what the tensors are.</typeparam>
    public static int Upload<TState>(
        CudaDevice cuda, int count, TState state, Func<TState, int, TrainedTensor> describe, TrainedTensor* table)
        where TState : allows ref struct
    {
        var rented = ArrayPool<TrainedTensor>.Shared.Rent(Math.Max(1, count));
        long element = 0;
        int chunks = 0;
        for (int i = 0; i < count; i++)
        {
            var tensor = describe(state, i);
            ArgumentOutOfRangeException.ThrowIfNegative(tensor.Count);
            tensor.FirstElement = element;
            tensor.FirstChunk = chunks;
            rented[i] = tensor;
            element += (tensor.Count + RandomElements - 1) / RandomElements * RandomElements;
            chunks = checked(chunks + CudaRows.Divide(tensor.Count, ChunkElements));
        }

        cuda.Upload<TrainedTensor>(rented.AsSpan(0, count), (nint)table);
        ArrayPool<TrainedTensor>.Shared.Return(rented);
        return chunks;
    }
}
