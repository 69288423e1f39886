using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class GradientNorm
{
    private const int CudaThreads = 256;

    private static readonly CudaKernel<CudaPartial> PartialKernel = new("GradientNorm.cu", "norm_partials");
    private static readonly CudaKernel<CudaTotal> TotalKernel = new("GradientNorm.cu", "norm_totals");
    private static readonly CudaKernel<CudaClip> ClipKernel = new("GradientNorm.cu", "norm_clip");

    /// <summary>Tensors that are described for this call alone.</summary>
    private static void SumsCuda(CudaDevice cuda, ReadOnlySpan<GradientTensor> tensors, double* sums)
    {
        var mark = cuda.Scratch.Mark();
        var table = (TrainedTensor*)cuda.Scratch.Allocate((long)tensors.Length * sizeof(TrainedTensor));
        int chunks = TrainedTensor.Upload(cuda, tensors.Length, tensors, static (all, i) => Describe(all[i]), table);
        SumsCuda(cuda, table, tensors.Length, chunks, sums);
        cuda.Scratch.Release(mark);
    }

    private static void SumsCuda(CudaDevice cuda, TrainedTensor* table, int count, int chunks, double* sums)
    {
        var mark = cuda.Scratch.Mark();
        double* partials = (double*)cuda.Scratch.Allocate((long)chunks * sizeof(double));
        PartialKernel.Launch(
            cuda, default, chunks, CudaThreads, 0, new CudaPartial { Tensors = table, Partials = partials, Count = count });
        TotalKernel.Launch(cuda, default, count, CudaThreads, 0, new CudaTotal
        {
            Tensors = table,
            Partials = partials,
            Sums = sums,
            Count = count,
            Chunks = chunks,
        });
        cuda.Scratch.Release(mark);
    }

    private static TrainedTensor Describe(GradientTensor tensor) => new()
    {
        Gradient = tensor.Elements.Address,
        GradientType = CudaRows.Code(tensor.Elements),
        Count = tensor.Count,
    };

    private static void ClipCuda(CudaDevice cuda, double* sums, int count, double limit, GradientClip* result) =>
        ClipKernel.Launch(cuda, default, 1, 1, 0, new CudaClip { Sums = sums, Result = result, Limit = limit, Count = count });

    private struct CudaPartial
    {
        public TrainedTensor* Tensors;
        public double* Partials;
        public int Count;
    }

    private struct CudaTotal
    {
        public TrainedTensor* Tensors;
        public double* Partials;
        public double* Sums;
        public int Count;
        public int Chunks;
    }

    private struct CudaClip
    {
        public double* Sums;
        public GradientClip* Result;
        public double Limit;
        public int Count;
    }
}
