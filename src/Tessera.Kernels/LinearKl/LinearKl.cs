using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>
/// Forward Kullback-Leibler divergence from a teacher's to a student's next-token distribution, both heads' products included,
/// without ever holding the logits of the whole batch.
/// </summary>
/// <remarks>
/// p = softmax(teacher logits / τ), q = softmax(student logits / τ); loss_t = τ²·Σ_v p·log(p/q);
/// dz = gradientScale·w_t·τ·(q − p) for the student's logits; gradHidden (=, +=) dz·head; gradHead += dzᵀ·hidden.
/// Since Σ p = Σ q, the sum is taken as Σ p·φ(log(q/p)) with φ(x) = e^x − 1 − x ≥ 0: no term is negative, so a tiny divergence keeps
/// its relative precision, and an error in the two normalisers enters only squared. Equal logits give exactly 0 and no gradient.
/// Where targets y are given, excess_t = log p[y_t] − log q[y_t] comes along: what the student's cross entropy lies above the teacher's, at
/// the price of one entry a row and without the cancellation of a difference of two losses.
/// Shapes: studentHidden, gradHidden [tokens, studentWidth]; teacherHidden [tokens, teacherWidth]; heads [vocabulary, width] f32 or
/// bf16, int8 or int4 where they get no gradient; gradHead [vocabulary, studentWidth] f32, dense; tokenWeights, tokenLoss, targets,
/// targetExcess [tokens].
/// Types on a card, and determinism there: as <see cref="LinearCrossEntropy"/>, with the student's hidden states and head for dz.
/// Saved for backward: nothing; gradients are made in the same pass.
/// Error: relative L2 to the reference at most 5e-6 for losses and gradients, given the logits.
/// Determinism: bitwise, independent of thread count; chunks of tokens are cut from token 0 by vocabulary and budget alone.
/// Cost: 2·tokens·vocabulary·(3·studentWidth + teacherWidth) FLOP; chunks without weight cost nothing.
/// Source: Hinton et al. 2015 for τ²; the direction is Puzzle's, KL(teacher‖student).
/// </remarks>
public static unsafe partial class LinearKl
{
    /// <summary>Losses per token and, where asked for, the gradients of the weighted sum of losses for the student.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="studentHidden">[tokens, studentWidth].</param>
    /// <param name="studentHead">[vocabulary, studentWidth], f32 or bf16; without gradHidden also int8 or int4.</param>
    /// <param name="teacherHidden">[tokens, teacherWidth].</param>
    /// <param name="teacherHead">[vocabulary, teacherWidth], f32, bf16, int8 or int4.</param>
    /// <param name="tokenWeights">[tokens], weight over normaliser; 0 leaves a token out.</param>
    /// <param name="temperature">τ, above 0.</param>
    /// <param name="tokenLoss">[tokens], assigned: in nats times τ², unweighted, 0 where the weight is 0.</param>
    /// <param name="gradHidden">[tokens, studentWidth], or null.</param>
    /// <param name="accumulateGradHidden">Add to gradHidden instead of assigning it, after another loss on the same head.</param>
    /// <param name="gradHead">[vocabulary, studentWidth], accumulated, or null.</param>
    /// <param name="tokens">Rows.</param>
    /// <param name="studentWidth">Hidden width of the student.</param>
    /// <param name="teacherWidth">Hidden width of the teacher.</param>
    /// <param name="vocabulary">Entries of the vocabulary, the same for both.</param>
    /// <param name="gradientScale">Multiplies every gradient.</param>
    /// <param name="budgetBytes">Bytes for both models' logits, or null for the device's own; the bits of <paramref name="gradHead"/> depend on it.</param>
    /// <param name="targets">[tokens], the token that follows, read only where the weight is not 0; or null.</param>
    /// <param name="targetExcess">[tokens], assigned: nats, unweighted, 0 where the weight is 0; null exactly where <paramref name="targets"/> is.</param>
    /// <exception cref="ArgumentException">A head is too small, the temperature is not positive, or a target is outside the vocabulary (on a card its excess is NaN).</exception>
    public static void Run(
        Device device, Elements studentHidden, in MatrixView studentHead, Elements teacherHidden, in MatrixView teacherHead,
        float* tokenWeights, float temperature, float* tokenLoss, Elements gradHidden, bool accumulateGradHidden, Elements gradHead,
        int tokens, int studentWidth, int teacherWidth, int vocabulary, float gradientScale,
        long? budgetBytes = null, int* targets = null, float* targetExcess = null)
    {
        RowLaunch.CheckSizes(tokens, studentWidth);
        RowLaunch.CheckSizes(tokens, teacherWidth);
        LinearCrossEntropy.CheckHead(studentHead, nameof(studentHead), vocabulary, studentWidth);
        LinearCrossEntropy.CheckHead(teacherHead, nameof(teacherHead), vocabulary, teacherWidth);
        if (!(temperature > 0) || !float.IsFinite(temperature))
        {
            throw new ArgumentException($"the temperature is {temperature}; expected a positive number", nameof(temperature));
        }

        if ((targets is null) != (targetExcess is null))
        {
            throw new ArgumentException("targets and the place for their excess come together or not at all", nameof(targetExcess));
        }

        if (device is CudaDevice cuda)
        {
            RunCuda(
                cuda, studentHidden, studentHead, teacherHidden, teacherHead, tokenWeights, temperature, tokenLoss, gradHidden,
                accumulateGradHidden, gradHead, tokens, studentWidth, teacherWidth, vocabulary, gradientScale,
                budgetBytes ?? LinearCrossEntropy.CudaLogitsBudgetBytes, targets, targetExcess);
            return;
        }

        using var scope = CpuDevice.Enter(device);
        var cpu = scope.Processor;
        if (targets is not null)
        {
            LinearCrossEntropy.CheckTargets(cpu, targets, tokenWeights, tokens, vocabulary);
        }

        int chunk = Math.Min(
            LinearCrossEntropy.ChunkTokens(vocabulary, 2, budgetBytes ?? LinearCrossEntropy.LogitsBudgetBytes), tokens);
        var mark = cpu.Scratch.Mark();
        float* student = cpu.Scratch.Floats((long)chunk * vocabulary);
        float* teacher = cpu.Scratch.Floats((long)chunk * vocabulary);
        for (int first = 0; first < tokens; first += chunk)
        {
            int count = Math.Min(chunk, tokens - first);
            var gradChunk = gradHidden + ((long)first * studentWidth);
            if (!LinearCrossEntropy.HasWeight(cpu, tokenWeights + first, count))
            {
                LinearCrossEntropy.SkipChunk(
                    tokenLoss + first, count, accumulateGradHidden ? default : gradChunk, (long)count * studentWidth);
                if (targetExcess is not null)
                {
                    new Span<float>(targetExcess + first, count).Clear();
                }

                continue;
            }

            var input = MatrixView.Of(studentHidden + ((long)first * studentWidth), count, studentWidth);
            var guide = MatrixView.Of(teacherHidden + ((long)first * teacherWidth), count, teacherWidth);
            LinearCrossEntropy.Logits(device, input, studentHead, student, vocabulary);
            LinearCrossEntropy.Logits(device, guide, teacherHead, teacher, vocabulary);
            var arguments = new Arguments
            {
                Student = student,
                Teacher = teacher,
                Weights = tokenWeights + first,
                Loss = tokenLoss + first,
                Targets = targets is null ? null : targets + first,
                Excess = targetExcess is null ? null : targetExcess + first,
                Tokens = count,
                Vocabulary = vocabulary,
                Temperature = temperature,
                Scale = gradientScale,
            };
            RowLaunch.Run(cpu, &Body, &arguments, (long)count * vocabulary);
            LinearCrossEntropy.Gradients(
                device, student, input, studentHead, gradChunk, accumulateGradHidden, gradHead, vocabulary);
        }

        cpu.Scratch.Release(mark);
    }

    private struct Arguments
    {
        public float* Student;
        public float* Teacher;
        public float* Weights;
        public float* Loss;
        public int* Targets;
        public float* Excess;
        public int Tokens;
        public int Vocabulary;
        public float Temperature;
        public float Scale;
    }
}
