using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// On a card all tensors go in one launch, which reads where they lie and the numbers of the step from the card's memory. A master or moments in bf16 are rounded up or down at random, with a probability that makes
/// the expectation exact; the random numbers depend on (seed, step, place of the tensor and the element) alone.
/// </content>
public static unsafe partial class AdamW
{
    private const int CudaThreads = 256;

    private static readonly CudaKernel<CudaArguments> StepKernel = new("AdamW.cu", "adamw_step");

    /// <summary>Tensors that are described for this step alone.</summary>
    private static void StepCuda(CudaDevice cuda, ReadOnlySpan<AdamWTensor> tensors, in AdamWSettings settings)
    {
        var mark = cuda.Scratch.Mark();
        var table = new OptimizerTable(cuda, cuda.Scratch, tensors.Length);
        table.Describe(tensors);
        table.Set(settings);
        StepCuda(cuda, table);
        cuda.Scratch.Release(mark);
    }

    private static void StepCuda(CudaDevice cuda, OptimizerTable table) =>
        StepKernel.Launch(cuda, default, table.Chunks, CudaThreads, 0, new CudaArguments
        {
            Tensors = table.Rows,
            Clip = (float*)table.Settings.ClipFactor,
            Numbers = table.Numbers,
            Count = table.Tensors.Length,
        });

    internal static TrainedTensor Describe(in AdamWTensor tensor)
    {
        CudaRows.CheckAlike("AdamW: first and second moments", tensor.FirstMoment, tensor.SecondMoment);
        if (tensor.Working.Exists && (tensor.Parameter.Type != DType.F32 || tensor.Working.Type != DType.BF16))
        {
            throw new ArgumentException(
                $"AdamW: a working copy is bf16 beside an f32 master, not {tensor.Working.Type.Label()} beside {tensor.Parameter.Type.Label()}");
        }

        return new TrainedTensor
        {
            Parameter = tensor.Parameter.Address,
            Working = tensor.Working.Address,
            Gradient = tensor.Gradient.Address,
            First = tensor.FirstMoment.Address,
            Second = tensor.SecondMoment.Address,
            Count = tensor.Count,
            ParameterType = CudaRows.Code(tensor.Parameter),
            GradientType = CudaRows.Code(tensor.Gradient),
            MomentType = CudaRows.Code(tensor.FirstMoment),
            Decay = tensor.Decays ? 1f : 0f,
        };
    }

    private struct CudaArguments
    {
        public TrainedTensor* Tensors;
        public float* Clip;
        public AdamWNumbers* Numbers;
        public int Count;
    }
}
