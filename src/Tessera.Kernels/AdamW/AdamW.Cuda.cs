using Tessera.Devices;

namespace Tessera.Kernels;

/// <content>
/// On a card all tensors go in one launch. A master or moments in bf16 are rounded up or down at random, with a probability that makes
/// the expectation exact; the random numbers depend on (seed, step, place of the tensor and the element) alone.
/// </content>
public static unsafe partial class AdamW
{
    private const int CudaThreads = 256;

    private static readonly CudaKernel<CudaArguments> StepKernel = new("AdamW.cu", "adamw_step");

    private static void StepCuda(CudaDevice cuda, ReadOnlySpan<AdamWTensor> tensors, in AdamWSettings settings)
    {
        var mark = cuda.Scratch.Mark();
        double correction1 = 1.0 - Math.Pow(settings.Beta1, settings.Step);
        double correction2 = 1.0 - Math.Pow(settings.Beta2, settings.Step);
        var table = TrainedTensor.Upload(cuda, tensors.Length, tensors, static (all, i) => Describe(all[i]), out int chunks);
        StepKernel.Launch(cuda, default, chunks, CudaThreads, 0, new CudaArguments
        {
            Tensors = table,
            Clip = (float*)settings.ClipFactor,
            Seed = settings.Seed,
            Step = (ulong)settings.Step,
            Count = tensors.Length,
            GradientScale = (float)settings.GradientScale,
            OneMinusBeta1 = (float)(1.0 - settings.Beta1),
            Beta2 = (float)settings.Beta2,
            OneMinusBeta2 = (float)(1.0 - settings.Beta2),
            Decay = (float)(settings.LearningRate * settings.WeightDecay),
            StepSize = (float)(settings.LearningRate / correction1),
            RootScale = (float)(1.0 / Math.Sqrt(correction2)),
            Epsilon = (float)settings.Epsilon,
        });
        cuda.Scratch.Release(mark);
    }

    private static TrainedTensor Describe(in AdamWTensor tensor)
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
        public ulong Seed;
        public ulong Step;
        public int Count;
        public float GradientScale;
        public float OneMinusBeta1;
        public float Beta2;
        public float OneMinusBeta2;
        public float Decay;
        public float StepSize;
        public float RootScale;
        public float Epsilon;
    }
}
